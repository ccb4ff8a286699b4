// Goal: an erasure publishes only what no event names yet, in events that are within their limits, and finds
// values however a record may write them. Method: ranges and texts by hand.
#include "app/erase_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealstream {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

SeqRange rows(std::int64_t from, std::int64_t to) { return {Seq(from), Seq(to)}; }

ErasePlan plan(const std::vector<SeqRange>& wanted, const ErasedRows& named = {}) {
  return plan_erasure(wanted, named);
}

TEST(ErasePlan, OfRowsThatNoEventNamesIsOneEvent) {
  const ErasePlan result = plan({rows(0, 2), rows(4, 4)});
  EXPECT_THAT(result.named, IsEmpty());
  EXPECT_THAT(result.fresh, ElementsAre(ElementsAre(rows(0, 2), rows(4, 4))));
  EXPECT_THAT(plan({}).fresh, IsEmpty());
}

TEST(ErasePlan, LeavesOutOfNewEventsWhatOthersName) {
  ErasedRows named;
  named.add(rows(2, 3), Seq(20));
  named.add(rows(3, 5), Seq(21));
  named.add(rows(9, 9), Seq(21));
  const ErasePlan result = plan({rows(0, 3), rows(5, 8), rows(10, 11)}, named);
  EXPECT_THAT(result.named,
              ElementsAre(Pair(Seq(20), ElementsAre(rows(2, 3))), Pair(Seq(21), ElementsAre(rows(5, 5)))));
  EXPECT_THAT(result.fresh, ElementsAre(ElementsAre(rows(0, 1), rows(6, 8), rows(10, 11))));
}

TEST(ErasePlan, BeginsANewEventWhereOneIsFull) {
  std::vector<SeqRange> many;
  for (std::int64_t i = 0; i <= std::int64_t{kMaxErasedRanges}; ++i) many.push_back(rows(2 * i, 2 * i));
  const ErasePlan ranges = plan(many);
  ASSERT_EQ(ranges.fresh.size(), 2U);
  EXPECT_EQ(ranges.fresh[0].size(), kMaxErasedRanges);
  EXPECT_THAT(ranges.fresh[1], ElementsAre(many.back()));

  const ErasePlan wide = plan({rows(0, 2), rows(10, 10 + 2 * kMaxErasedRows)});
  ASSERT_EQ(wide.fresh.size(), 3U);
  EXPECT_THAT(wide.fresh[0], ElementsAre(rows(0, 2), rows(10, 10 + kMaxErasedRows - 4)));
  EXPECT_EQ(count_rows(wide.fresh[0]), kMaxErasedRows);
  EXPECT_EQ(count_rows(wide.fresh[1]), kMaxErasedRows);
  EXPECT_EQ(count_rows(wide.fresh[2]), 4);
}

TEST(WrittenForms, AreThoseOfJson) {
  EXPECT_THAT(written_forms("eve"), ElementsAre("eve"));
  EXPECT_THAT(written_forms("a\"\n"), UnorderedElementsAre("a\"\n", "a\\\"\\n"));
  EXPECT_THAT(written_forms("zo\u00eb"), UnorderedElementsAre("zo\u00eb", "zo\\u00eb", "zo\\u00EB"));
  EXPECT_THAT(written_forms("\U0001F642"),
              UnorderedElementsAre("\U0001F642", "\\ud83d\\ude42", "\\uD83D\\uDE42"));
}

}  // namespace
}  // namespace sealstream
