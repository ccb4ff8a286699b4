// prometheus-cpp's families, made from the table.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "metrics/metric_table.h"

namespace sealstream {

/// The entry of the table by its name without the prefix. A name that is not in the table is a bug
/// (assertion).
const MetricSpec& spec_of(std::string_view name);

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, std::string_view name);
prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, std::string_view name);
/// A histogram with the buckets of the table and these labels.
prometheus::Histogram& histogram(prometheus::Registry& registry, std::string_view name,
                                 const prometheus::Labels& labels = {});

/// The counters of one closed label, all at 0 from the start. Immutable, so any thread may ask.
class LabelledCounters {
 public:
  LabelledCounters(prometheus::Registry& registry, std::string_view name,
                   std::span<const std::string_view> values);
  /// The counter of that value; where the value is not one of those given, that of "other".
  prometheus::Counter& at(std::string_view value) const;

 private:
  std::map<std::string, prometheus::Counter*, std::less<>> counters_;
};

}  // namespace sealstream
