// Goal: no lane is left with a backlog long after the others are done.
#include "ingest/spread.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

using Lanes = std::vector<std::size_t>;

Lanes spread_of(std::vector<std::int64_t> backlogs, std::size_t lanes) { return spread(backlogs, lanes); }

TEST(Spread, WithoutABacklogLanesHaveEquallyManyPartitions) {
  EXPECT_EQ(spread_of({0, 0, 0, 0, 0}, 2), (Lanes{0, 1, 0, 1, 0}));
}

TEST(Spread, TheLargestBacklogHasALaneOfItsOwnWhereTheOthersAreNoMore) {
  EXPECT_EQ(spread_of({10, 10, 90, 10, 10, 10, 40}, 2), (Lanes{1, 1, 0, 1, 1, 1, 1}));
}

TEST(Spread, PartitionsWithoutABacklogGoWhereTheFewestAre) {
  EXPECT_EQ(spread_of({5, 0, 0, 5}, 2), (Lanes{0, 0, 1, 1}));
}

TEST(Spread, ThereMayBeMoreLanesThanPartitions) {
  EXPECT_EQ(spread_of({7, 7}, 4), (Lanes{0, 1}));
  EXPECT_TRUE(spread_of({}, 4).empty());
}

}  // namespace
}  // namespace sealstream
