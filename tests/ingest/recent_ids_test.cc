// Goal: what was written lately is suspected; memory is bounded.
// Method: remember and ask.
#include "ingest/recent_ids.h"

#include <gtest/gtest.h>

#include <string>

namespace sealstream {
namespace {

TEST(RecentIds, RememberedIdIsSuspected) {
  RecentIds recent(16);
  EXPECT_FALSE(recent.suspects(RecentIds::hash("acme", "event-00")));
  recent.remember(RecentIds::hash("acme", "event-00"));
  EXPECT_TRUE(recent.suspects(RecentIds::hash("acme", "event-00")));
}

TEST(RecentIds, SameIdOfAnotherTenantIsAnotherId) {
  RecentIds recent(1 << 16);
  recent.remember(RecentIds::hash("acme", "event-00"));
  EXPECT_FALSE(recent.suspects(RecentIds::hash("zeta", "event-00")));
}

TEST(RecentIds, NewerIdTakesTheSlotOfAnOlderOne) {
  RecentIds recent(1);
  recent.remember(RecentIds::hash("acme", "event-00"));
  recent.remember(RecentIds::hash("acme", "event-01"));
  EXPECT_FALSE(recent.suspects(RecentIds::hash("acme", "event-00")));
  EXPECT_TRUE(recent.suspects(RecentIds::hash("acme", "event-01")));
}

TEST(RecentIds, MostOfTheLastIdsAreStillKnown) {
  RecentIds recent(1 << 16);
  for (int i = 0; i < 10'000; ++i) recent.remember(RecentIds::hash("acme", std::to_string(i)));
  int known = 0;
  for (int i = 0; i < 10'000; ++i) known += recent.suspects(RecentIds::hash("acme", std::to_string(i)));
  EXPECT_GT(known, 9'000);
}

}  // namespace
}  // namespace sealstream
