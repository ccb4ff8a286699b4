// One simulated history: producers, instances of the production pipeline, a broker and a database, faults at
// any step, and at its end a judge that knows only what was produced and what the database holds.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "simulation/database.h"

namespace sealstream::simulation {

struct Options {
  int at_most_faults = std::numeric_limits<int>::max();
};

struct Outcome {
  std::optional<std::string> failure;  ///< which invariant does not hold, with its first counter-example
  std::vector<std::string> faults;     ///< that struck, in their order
  std::vector<std::string> trace;      ///< with their times
  std::int64_t records = 0;
};

/// The same seed and options give the same outcome, on every machine.
Outcome simulate(std::uint64_t seed, const Options& options = {});

}  // namespace sealstream::simulation
