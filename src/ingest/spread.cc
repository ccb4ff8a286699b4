#include "ingest/spread.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace sealstream {

std::vector<std::size_t> spread(std::span<const std::int64_t> backlogs, std::size_t lanes) {
  assert(lanes > 0);
  std::vector<std::size_t> order(backlogs.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t one, std::size_t other) { return backlogs[one] > backlogs[other]; });

  struct Load {
    std::int64_t records = 0;
    std::size_t partitions = 0;
    auto operator<=>(const Load&) const = default;
  };
  std::vector<Load> loads(lanes);
  std::vector<std::size_t> lane_of(backlogs.size());
  for (const std::size_t partition : order) {
    const auto least = std::min_element(loads.begin(), loads.end());
    least->records += backlogs[partition];
    ++least->partitions;
    lane_of[partition] = static_cast<std::size_t>(least - loads.begin());
  }
  return lane_of;
}

}  // namespace sealstream
