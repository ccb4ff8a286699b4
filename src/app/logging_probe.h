// The probe that people read: logs what matters and passes everything on to the one that counts.
#pragma once

#include <atomic>
#include <string>

#include "app/log.h"
#include "sealstream/ingest/probe.h"

namespace sealstream {

/// Thread-safe. Borrows both. Every warning that it logs is counted by `next`.
class LoggingProbe final : public Probe {
 public:
  LoggingProbe(Log& log, Probe& next) : log_(log), next_(next) {}

  void committed(const BatchReport& batch) override;
  void batch_failed(FlushReason reason, std::string_view result) override;
  void stage_took(Stage stage, double seconds) override { next_.stage_took(stage, seconds); }
  void in_flight(std::size_t lane, std::size_t records, std::size_t bytes) override {
    next_.in_flight(lane, records, bytes);
  }
  void backpressure(double seconds) override { next_.backpressure(seconds); }

  void partition_assigned(const PartitionId& id, Offset next_offset) override;
  void partition_released(const PartitionId& id) override;
  void extent(const PartitionId& id, Extent extent) override { next_.extent(id, extent); }
  void topic_partitions(const std::string& topic, int partitions) override {
    next_.topic_partitions(topic, partitions);
  }
  void rebalanced(std::string_view event) override;
  void tenant_split() override;

  void gap(std::string_view kind, std::int64_t offsets) override;
  void missed(HaltCause cause, std::int64_t records) override;
  void halted(const PartitionId& id, HaltCause cause, std::string_view sentence) override;
  void claimed(std::string_view result) override;
  void head_conflict() override { next_.head_conflict(); }
  void fenced(const PartitionId& id) override;
  void fence_alarm(std::size_t lane) override;
  void log_unverified(const PartitionId& id) override;
  void commits_lost(const PartitionId& id, Offset next_offset) override;
  void queue_forward_lost(const PartitionId& id) override;
  void in_doubt(std::string_view resolution) override;
  void duplicate_unverified() override;

  void kafka_error(std::string_view code, std::string_view message) override;
  void brokers_up(int brokers) override { next_.brokers_up(brokers); }
  void database_failed(std::string_view sqlstate, std::string_view sentence) override;
  void database_ok() override;

 private:
  Log& log_;
  Probe& next_;
  std::atomic<bool> database_down_ = false;
};

}  // namespace sealstream
