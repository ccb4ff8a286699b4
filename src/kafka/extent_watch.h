// The helper thread that asks the broker how far the log goes, and notices partitions that stand still.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "kafka/assignment.h"
#include "kafka/options.h"
#include "sealstream/ingest/probe.h"

namespace sealstream {

/// Reports extents of what is assigned, partitions of topics and brokers to the probe, every
/// KafkaOptions::extent_interval. librdkafka's cached ends stand still while nothing is fetched.
class ExtentWatch {
 public:
  /// Starts its thread, which the destructor ends. All of these outlive it.
  ExtentWatch(rd_kafka_s* client, Assignment& assignment, const KafkaOptions& options, Probe& probe);

  /// Asks at once. Thread-safe.
  void wake();
  /// Asks no more; does not wait for a question under way. Thread-safe.
  void stop() { thread_.request_stop(); }

 private:
  /// Since when a partition lags while its lane gets nothing of it.
  struct Stall {
    Offset position;
    std::chrono::steady_clock::time_point since;
  };

  void run(const std::stop_token& stop);
  void ask_positions();
  void ask_cluster();
  void look_for_stall(Held& held, Offset end);

  rd_kafka_s* const client_;
  Assignment& assignment_;
  const KafkaOptions& options_;
  Probe& probe_;
  std::map<PartitionId, Stall> stalls_;  ///< the thread's own

  std::mutex lock_;
  std::condition_variable_any woken_;
  bool wake_ = false;
  std::jthread thread_;  ///< last: it uses the rest
};

}  // namespace sealstream
