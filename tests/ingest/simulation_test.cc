// Goal: no order of crashes, rebalances, lost answers and failovers breaks an invariant. Method: histories
// from seeds over the production pipeline. That the simulation would notice if one did: tests/mutants.
#include <gtest/gtest.h>

#include "simulation/world.h"

namespace sealstream::simulation {
namespace {

TEST(Simulation, EveryHistoryEndsWithAllInvariants) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const Outcome outcome = simulate(seed);
    EXPECT_EQ(outcome.failure.value_or(""), "")
        << "seed " << seed << ": tests/simulate --seeds 1 --from " << seed;
  }
}

TEST(Simulation, ASeedTellsTheSameStoryTwice) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(simulate(seed).trace, simulate(seed).trace);
}

}  // namespace
}  // namespace sealstream::simulation
