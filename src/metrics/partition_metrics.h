// The series of partitions: they come with an assignment and go with a release.
#pragma once

#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "metrics/lag.h"
#include "sealstream/ingest/probe.h"

namespace sealstream {

/// Thread-safe. Reports of a partition that is not assigned are ignored: a helper thread may be late.
class PartitionMetrics {
 public:
  explicit PartitionMetrics(prometheus::Registry& registry);

  void assigned(const PartitionId& id, Offset next);
  void released(const PartitionId& id);
  void committed(const BatchReport& batch);
  void extent(const PartitionId& id, Extent extent);
  void halted(const PartitionId& id, HaltCause cause);
  void set_retention(const std::string& topic, double seconds);

  /// Brings what depends on the clock up to date, for a scrape.
  void refresh();

 private:
  struct Series {
    Lag lag;
    prometheus::Gauge* next_offset = nullptr;
    prometheus::Gauge* assigned = nullptr;
    prometheus::Gauge* end_offset = nullptr;  ///< this and the next two from the first extent on
    prometheus::Gauge* lag_records = nullptr;
    prometheus::Gauge* lag_seconds = nullptr;
    prometheus::Gauge* headroom =
        nullptr;  ///< from the first extent on, where the topic's retention is known
    std::optional<HaltCause> halted{};
  };
  using Family = prometheus::Family<prometheus::Gauge>;

  void show(const PartitionId& id, Series& series);
  void count_halted();

  Family& next_offset_;
  Family& end_offset_;
  Family& lag_records_;
  Family& lag_seconds_;
  Family& headroom_;
  Family& assigned_;
  std::array<prometheus::Gauge*, kHaltCauseNames.size()> halted_{};
  std::mutex mutex_;  ///< guards what follows
  std::map<PartitionId, Series> partitions_;
  std::map<std::string, double> retention_seconds_;  ///< by topic, where it is known
};

}  // namespace sealstream
