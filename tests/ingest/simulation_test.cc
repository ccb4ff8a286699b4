// Goal: no order of crashes, rebalances, lost answers and failovers breaks an invariant, and the simulation
// would notice if one did. Method: histories from seeds over the production pipeline; then the same over
// databases that leave one guard out.
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

TEST(Simulation, ADatabaseWithoutOneOfItsGuardsIsFound) {
  for (const Mutant mutant : kMutants) {
    std::uint64_t seed = 1;
    while (seed <= 300 && !simulate(seed, {.mutant = mutant}).failure) ++seed;
    EXPECT_LE(seed, 300U) << "no history notices mutant " << static_cast<int>(mutant);
  }
}

}  // namespace
}  // namespace sealstream::simulation
