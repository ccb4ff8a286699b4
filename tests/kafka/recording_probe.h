// A probe that keeps what the Kafka adapter reports; what ingest reports is not looked at here.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sealstream/ingest/probe.h"

namespace sealstream::test {

class RecordingProbe final : public Probe {
 public:
  void committed(const BatchReport&) override {}
  void batch_failed(FlushReason, std::string_view) override {}
  void stage_took(Stage, double) override {}
  void in_flight(std::size_t, std::size_t, std::size_t) override {}
  void backpressure(double) override {}
  void partition_assigned(const PartitionId&, Offset) override {}
  void partition_released(const PartitionId&) override {}
  void rebalanced(std::string_view) override {}
  void tenant_split() override {}
  void gap(std::string_view, std::int64_t) override {}
  void missed(HaltCause, std::int64_t) override {}
  void halted(const PartitionId&, HaltCause, std::string_view) override {}
  void claimed(std::string_view) override {}
  void head_conflict() override {}
  void fenced(const PartitionId&) override {}
  void fence_alarm(std::size_t) override {}
  void log_unverified(const PartitionId&) override {}
  void commits_lost(const PartitionId&, Offset) override {}
  void in_doubt(std::string_view) override {}
  void duplicate_unverified() override {}
  void database_failed(std::string_view, std::string_view) override {}
  void database_ok() override {}

  void extent(const PartitionId& id, Extent extent) override {
    const std::lock_guard guard(lock_);
    extents_.insert_or_assign(id, extent);
  }
  void topic_partitions(const std::string& topic, int partitions) override {
    const std::lock_guard guard(lock_);
    topics_[topic] = partitions;
  }
  void queue_forward_lost(const PartitionId&) override {
    const std::lock_guard guard(lock_);
    ++forwards_lost_;
  }
  void kafka_error(std::string_view code, std::string_view message) override {
    const std::lock_guard guard(lock_);
    errors_.emplace_back(code, message);
  }
  void brokers_up(int brokers) override {
    const std::lock_guard guard(lock_);
    brokers_ = brokers;
  }

  std::map<PartitionId, Extent> extents() const { return read(extents_); }
  std::map<std::string, int> topics() const { return read(topics_); }
  int forwards_lost() const { return read(forwards_lost_); }
  int brokers() const { return read(brokers_); }
  std::vector<std::pair<std::string, std::string>> errors() const { return read(errors_); }

 private:
  template <class T>
  T read(const T& member) const {
    const std::lock_guard guard(lock_);
    return member;
  }

  mutable std::mutex lock_;
  std::map<PartitionId, Extent> extents_;
  std::map<std::string, int> topics_;
  std::vector<std::pair<std::string, std::string>> errors_;
  int forwards_lost_ = 0;
  int brokers_ = -1;
};

}  // namespace sealstream::test
