// The one table of what is exported: name, type, labels, help. Reference text, tests and the code that counts
// all read it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sealstream {

enum class MetricType : std::uint8_t { counter, gauge, histogram };

struct MetricSpec {
  std::string_view name;  ///< with the prefix
  MetricType type;
  std::array<std::string_view, 2> labels;  ///< unused places are empty
  std::string_view help;
};

/// Every metric but those of the process itself, grouped as the operator's questions are: flow, position,
/// integrity, latency, dependencies.
std::span<const MetricSpec> metric_table();

/// Those of the process, by the names that Prometheus clients share.
std::span<const MetricSpec> process_metric_table();

/// Upper edges of a histogram's buckets, in its unit. Precondition: `name` is a histogram of the table.
std::vector<double> bucket_edges(std::string_view name);

}  // namespace sealstream
