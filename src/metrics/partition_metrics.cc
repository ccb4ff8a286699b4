#include "metrics/partition_metrics.h"

#include <algorithm>

#include "metrics/families.h"

namespace sealstream {
namespace {

Timestamp now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

prometheus::Labels labels(const PartitionId& id) {
  return {{"topic", id.topic}, {"partition", std::to_string(id.partition.value())}};
}

}  // namespace

PartitionMetrics::PartitionMetrics(prometheus::Registry& registry)
    : next_offset_(gauges(registry, "partition_next_offset")),
      end_offset_(gauges(registry, "partition_end_offset")),
      lag_records_(gauges(registry, "consumer_lag_records")),
      lag_seconds_(gauges(registry, "consumer_lag_seconds")),
      headroom_(gauges(registry, "retention_headroom_seconds")),
      assigned_(gauges(registry, "partition_assigned")) {
  for (std::size_t i = 0; i < halted_.size(); ++i) {
    halted_[i] = &gauges(registry, "halted_partitions").Add({{"cause", kHaltCauseNames[i]}});
  }
}

void PartitionMetrics::assigned(const PartitionId& id, Offset next) {
  const std::lock_guard lock(mutex_);
  Series& series = partitions_.try_emplace(id, Series{.lag = Lag(next, now())}).first->second;
  series.lag.committed(next);
  series.next_offset = &next_offset_.Add(labels(id));
  series.next_offset->Set(static_cast<double>(next.value()));
  series.assigned = &assigned_.Add(labels(id));
  series.assigned->Set(1);
  series.halted.reset();
  count_halted();
}

void PartitionMetrics::released(const PartitionId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  const Series& series = found->second;
  next_offset_.Remove(series.next_offset);
  assigned_.Remove(series.assigned);
  if (series.end_offset != nullptr) end_offset_.Remove(series.end_offset);
  if (series.lag_records != nullptr) lag_records_.Remove(series.lag_records);
  if (series.lag_seconds != nullptr) lag_seconds_.Remove(series.lag_seconds);
  if (series.headroom != nullptr) headroom_.Remove(series.headroom);
  partitions_.erase(found);
  count_halted();
}

void PartitionMetrics::committed(const BatchReport& batch) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, next] : batch.next_offsets) {
    const auto found = partitions_.find(id);
    if (found == partitions_.end()) continue;
    found->second.lag.committed(next);
    found->second.next_offset->Set(static_cast<double>(next.value()));
  }
  for (const auto& [id, written] : batch.last_timestamps) {
    const auto found = partitions_.find(id);
    if (found != partitions_.end()) found->second.lag.last_record(written);
  }
}

void PartitionMetrics::extent(const PartitionId& id, Extent extent) {
  const std::lock_guard lock(mutex_);
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  found->second.lag.extent(extent, now());
  show(id, found->second);
}

void PartitionMetrics::halted(const PartitionId& id, HaltCause cause) {
  const std::lock_guard lock(mutex_);
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  found->second.halted = cause;
  count_halted();
}

void PartitionMetrics::set_retention(const std::string& topic, double seconds) {
  const std::lock_guard lock(mutex_);
  retention_seconds_[topic] = seconds;
}

void PartitionMetrics::refresh() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, series] : partitions_) show(id, series);
}

void PartitionMetrics::show(const PartitionId& id, Series& series) {
  if (!series.lag.extent()) return;
  const auto set = [&](Family& family, prometheus::Gauge*& gauge, double value) {
    if (gauge == nullptr) gauge = &family.Add(labels(id));
    gauge->Set(value);
  };
  const double behind = series.lag.seconds(now());
  set(end_offset_, series.end_offset, static_cast<double>(series.lag.extent()->end.value()));
  set(lag_records_, series.lag_records, static_cast<double>(series.lag.records()));
  set(lag_seconds_, series.lag_seconds, behind);
  const auto retention = retention_seconds_.find(id.topic);
  if (retention != retention_seconds_.end()) {
    set(headroom_, series.headroom, std::max(0.0, retention->second - behind));
  }
}

void PartitionMetrics::count_halted() {
  std::array<int, kHaltCauseNames.size()> counts{};
  for (const auto& [id, series] : partitions_) {
    if (series.halted) ++counts[static_cast<std::size_t>(*series.halted)];
  }
  for (std::size_t i = 0; i < counts.size(); ++i) halted_[i]->Set(counts[i]);
}

}  // namespace sealstream
