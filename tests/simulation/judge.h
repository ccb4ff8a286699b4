// What must hold of a database in the end (the invariants that tests/reference/checker.py names), judged by
// what was produced.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "simulation/database.h"

namespace sealstream::simulation {

/// What a producer meant by one offset of a partition, and so what must have become of it.
struct Sent {
  enum class Fate : std::uint8_t { accepted, duplicate, tombstone, skipped };
  Fate fate = Fate::skipped;
  std::string tenant;
  std::string id;
};

/// By partition, by offset. An id that is used twice is used in one partition.
using History = std::vector<std::vector<Sent>>;

/// The first thing that does not hold of `contents` up to each partition's next offset; nothing where all
/// does.
std::optional<std::string> judge(const History& history, const Contents& contents);

}  // namespace sealstream::simulation
