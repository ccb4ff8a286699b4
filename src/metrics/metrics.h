// What the pipeline did, as Prometheus metrics.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/ingest/probe.h"

namespace sealstream {

/// Counts. Owned by app/assemble, outlives the pipeline. Thread-safe; a batch costs one lock and a few dozen
/// atomic additions. Every label set is closed: a topic, reason, code or class that is not known counts as
/// "other".
class Metrics final : public Probe {
 public:
  struct Options {
    std::vector<std::string> topics;  ///< those configured: their counters exist at 0 from the start
    std::string version;
    std::size_t buffer_limit_bytes = 0;  ///< what all lanes together may hold
  };

  explicit Metrics(const Options& options);
  ~Metrics() override;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// All metrics in Prometheus' text format. Costs some milliseconds.
  std::string text();

  void set_ready(bool ready);
  void set_buffer_limit(std::size_t bytes);
  /// How long the topic keeps records: from then on its partitions have a retention headroom.
  void set_retention(const std::string& topic, double seconds);
  void log_lines_suppressed(std::size_t lines);
  void http_answered(int code);

  void committed(const BatchReport& batch) override;
  void batch_failed(FlushReason reason, std::string_view result) override;
  void stage_took(Stage stage, double seconds) override;
  void in_flight(std::size_t lane, std::size_t records, std::size_t bytes) override;
  void backpressure(double seconds) override;

  void partition_assigned(const PartitionId& id, Offset next_offset) override;
  void partition_released(const PartitionId& id) override;
  void extent(const PartitionId& id, Extent extent) override;
  void topic_partitions(const std::string& topic, int partitions) override;
  void rebalanced(std::string_view event) override;
  void tenant_split() override;

  void gap(std::string_view kind, std::int64_t offsets) override;
  void missed(HaltCause cause, std::int64_t records) override;
  void halted(const PartitionId& id, HaltCause cause, std::string_view sentence) override;
  void claimed(std::string_view result) override;
  void head_conflict() override;
  void fenced(const PartitionId& id) override;
  void fence_alarm(std::size_t lane) override;
  void log_unverified(const PartitionId& id) override;
  void commits_lost(const PartitionId& id, Offset next_offset) override;
  void queue_forward_lost(const PartitionId& id) override;
  void in_doubt(std::string_view resolution) override;
  void duplicate_unverified() override;

  void kafka_error(std::string_view code, std::string_view message) override;
  void brokers_up(int brokers) override;
  void database_failed(std::string_view sqlstate, std::string_view sentence) override;
  void database_ok() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sealstream
