#include "metrics/families.h"

#include <cassert>
#include <cstdlib>

namespace sealstream {

const MetricSpec& spec_of(std::string_view name) {
  constexpr std::string_view kPrefix = "sealstream_";
  for (const MetricSpec& spec : metric_table()) {
    if (spec.name.substr(kPrefix.size()) == name) return spec;
  }
  assert(false && "a metric that is not in the table");
  std::abort();
}

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, std::string_view name) {
  const MetricSpec& spec = spec_of(name);
  assert(spec.type == MetricType::counter);
  return prometheus::BuildCounter()
      .Name(std::string(spec.name))
      .Help(std::string(spec.help))
      .Register(registry);
}

prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, std::string_view name) {
  const MetricSpec& spec = spec_of(name);
  assert(spec.type == MetricType::gauge);
  return prometheus::BuildGauge()
      .Name(std::string(spec.name))
      .Help(std::string(spec.help))
      .Register(registry);
}

prometheus::Histogram& histogram(prometheus::Registry& registry, std::string_view name,
                                 const prometheus::Labels& labels) {
  const MetricSpec& spec = spec_of(name);
  assert(spec.type == MetricType::histogram);
  auto& family = prometheus::BuildHistogram()
                     .Name(std::string(spec.name))
                     .Help(std::string(spec.help))
                     .Register(registry);
  return family.Add(labels, bucket_edges(spec.name));
}

LabelledCounters::LabelledCounters(prometheus::Registry& registry, std::string_view name,
                                   std::span<const std::string_view> values) {
  auto& family = counters(registry, name);
  const std::string label(spec_of(name).labels[0]);
  for (std::string_view value : values) {
    counters_.emplace(value, &family.Add({{label, std::string(value)}}));
  }
  counters_.emplace("other", &family.Add({{label, "other"}}));
}

prometheus::Counter& LabelledCounters::at(std::string_view value) const {
  const auto found = counters_.find(value);
  return found != counters_.end() ? *found->second : *counters_.find("other")->second;
}

}  // namespace sealstream
