// Goal: numbers of one kind behave as numbers, cost what numbers cost, and are never taken for another kind.
// Method: the operations that exist, on values; what must not compile is in compile_fail_test.cc.
#include "sealstream/core/ids.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace sealstream {
namespace {

TEST(Ids, NextIsTheOneThatFollows) {
  EXPECT_EQ(next(Offset(41)), Offset(42));
  EXPECT_EQ(next(Seq(-1)), Seq(0));
}

TEST(Ids, DistanceCountsStepsAndIsNegativeBackwards) {
  EXPECT_EQ(distance(Offset(3), Offset(10)), 7);
  EXPECT_EQ(distance(Offset(10), Offset(3)), -7);
}

TEST(Ids, OrderIsTheOrderOfTheNumbers) {
  EXPECT_LT(Seq(-1), Seq(0));
  EXPECT_GT(LogEpoch(2), LogEpoch(1));
}

TEST(Ids, PartitionsOrderByTopicThenNumber) {
  EXPECT_LT((PartitionId{"a", Partition(9)}), (PartitionId{"b", Partition(0)}));
  EXPECT_LT((PartitionId{"a", Partition(1)}), (PartitionId{"a", Partition(2)}));
}

TEST(Ids, TheyAreKeysOfHashTables) {
  const std::unordered_set<Offset> offsets{Offset(1), Offset(1), Offset(2)};
  EXPECT_EQ(offsets.size(), 2u);
}

TEST(Ids, TheyCostWhatTheNumberCosts) {
  static_assert(sizeof(Offset) == sizeof(std::int64_t) && sizeof(Partition) == sizeof(std::int32_t));
  EXPECT_TRUE(std::is_trivially_copyable_v<Offset>);
}

}  // namespace
}  // namespace sealstream
