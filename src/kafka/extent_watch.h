// The helper thread that asks the broker how far logs go and whether they are what they were, and notices
// partitions that stand still.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "kafka/assignment.h"
#include "kafka/extents.h"
#include "kafka/options.h"
#include "sealstream/ingest/probe.h"

namespace sealstream {

/// Reports extents of what is assigned, partitions of topics and brokers to the probe, every
/// KafkaOptions::extent_interval. librdkafka's cached ends stand still while nothing is fetched.
class ExtentWatch {
 public:
  /// Starts its thread, which the destructor ends. All of these outlive it.
  ExtentWatch(rd_kafka_s* client, Assignment& assignment, std::size_t lanes, const KafkaOptions& options,
              Probe& probe);

  /// Asks at once. Thread-safe.
  void wake();
  /// Asks no more; does not wait for a question under way. Thread-safe.
  void stop() { thread_.request_stop(); }

  // For lanes.

  /// As RecordStream::watch.
  void watch(std::size_t lane, const PartitionId& id, const std::optional<Witness>& witness);
  /// A log of that lane of which it is found, and was not told yet, that it is another one.
  std::optional<AnotherLog> take_another_log(std::size_t lane);

 private:
  enum class Finding : std::uint8_t { open, another, told };
  /// The logs that one lane reads; a lock for each lane, since it is taken for every record.
  struct LaneLogs {
    struct Log {
      Witness witness;
      Finding finding = Finding::open;
      std::chrono::steady_clock::time_point
          ask_from{};  ///< a clock that went back makes it seem another each time
    };
    std::mutex lock;
    std::map<PartitionId, Log> logs;
    bool found = false;  ///< some are another log, and the lane was not told
  };

  /// Since when a partition lags while its lane gets nothing of it.
  struct Stall {
    Offset position;
    std::chrono::steady_clock::time_point since;
  };

  void run(const std::stop_token& stop);
  void ask_positions();
  void ask_logs(const std::stop_token& stop);
  std::vector<Watched> open_questions();
  void settle(const Watched& watched, bool same);
  void ask_cluster();
  void look_for_stall(Held& held, Offset end);

  rd_kafka_s* const client_;
  Assignment& assignment_;
  const KafkaOptions& options_;
  Probe& probe_;
  std::map<PartitionId, Stall> stalls_;  ///< the thread's own
  std::deque<LaneLogs> lanes_;

  std::mutex lock_;
  std::condition_variable_any woken_;
  bool wake_ = false;
  std::jthread thread_;  ///< last: it uses the rest
};

}  // namespace sealstream
