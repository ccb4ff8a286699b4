// What the operating system says about this process.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace sealstream {

/// A value for every metric of process_metric_table(), by name. What /proc does not tell is left out.
std::vector<std::pair<std::string_view, double>> process_values();

}  // namespace sealstream
