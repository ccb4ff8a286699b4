// Which lane reads which partition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sealstream {

/// The lane of each partition, by how many records wait in it: the largest backlog first, each to the lane
/// that has least so far, and of those that have as little to the one with the fewest partitions. So lanes
/// are done with a backlog at about the same time (Graham's rule: 4/3 of the shortest possible at most), and
/// without one have equally many partitions. Precondition: there is a lane.
std::vector<std::size_t> spread(std::span<const std::int64_t> backlogs, std::size_t lanes);

}  // namespace sealstream
