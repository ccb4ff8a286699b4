// Goal: /livez fails exactly when a thread stopped ticking, /readyz exactly when records cannot be taken, and
// both say why. Method: statuses made by hand; the clock is an argument.
#include "app/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/instance_json.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

const Clock::time_point kStart = Clock::time_point() + std::chrono::hours(1);
const Clock::time_point kNow = kStart + std::chrono::hours(1);

IngesterStatus healthy() {
  IngesterStatus status;
  status.joined = true;
  status.database_ok = true;
  status.group_heartbeat = kNow;
  for (const std::size_t lane : {0, 1}) {
    status.lanes.emplace_back().lane = lane;
    status.lanes.back().heartbeat = kNow;
  }
  return status;
}

PartitionStatus& add(IngesterStatus& status, int partition, PartitionState state) {
  PartitionStatus& added = status.partitions.emplace_back();
  added.id = {"t", Partition(partition)};
  added.state = state;
  return added;
}

TEST(Liveness, HoldsWhileEveryThreadTicks) { EXPECT_TRUE(liveness(healthy(), kNow, kStart).ok()); }

TEST(Liveness, FailsWhenALaneIsSilentForThirtySeconds) {
  IngesterStatus status = healthy();
  status.lanes[1].heartbeat = kNow - std::chrono::milliseconds(29'999);
  EXPECT_TRUE(liveness(status, kNow, kStart).ok());
  status.lanes[1].heartbeat = kNow - std::chrono::seconds(30);
  const Health health = liveness(status, kNow, kStart);
  EXPECT_FALSE(health.ok());
  EXPECT_THAT(to_json(health), HasSubstr(R"("lane_1":{"ok":false,"why":"no heartbeat for 30 s"})"));
}

TEST(Liveness, FailsWhenTheGroupThreadIsSilent) {
  IngesterStatus status = healthy();
  status.group_heartbeat = kNow - std::chrono::minutes(1);
  EXPECT_THAT(to_json(liveness(status, kNow, kStart)), HasSubstr(R"("group":{"ok":false)"));
}

TEST(Liveness, CountsFromTheStartWhereNothingHasTickedYet) {
  IngesterStatus status = healthy();
  status.lanes[0].heartbeat = Clock::time_point();
  EXPECT_TRUE(liveness(status, kStart + std::chrono::seconds(29), kStart).ok());
  EXPECT_FALSE(liveness(status, kStart + std::chrono::seconds(30), kStart).ok());
}

TEST(Liveness, DoesNotAskForTheDatabaseOrKafka) {
  IngesterStatus status = healthy();
  status.joined = false;
  status.database_ok = false;
  status.lanes[0].database_ok = false;
  EXPECT_TRUE(liveness(status, kNow, kStart).ok());
}

TEST(Readiness, HoldsForAMemberWithPartitionsAndForOneThatStandsBy) {
  EXPECT_TRUE(readiness(healthy()).ok());
}

TEST(Readiness, FailsUntilTheGroupHasAnswered) {
  IngesterStatus status = healthy();
  status.joined = false;
  EXPECT_THAT(to_json(readiness(status)), HasSubstr(R"("group":{"ok":false,"why":"the consumer group)"));
}

TEST(Readiness, FailsWithTheSentenceOfTheDatabase) {
  IngesterStatus status = healthy();
  status.database_ok = false;
  status.database_sentence = "run `sealstream migrate up`";
  EXPECT_FALSE(readiness(status).ok());
  EXPECT_THAT(to_json(readiness(status)), HasSubstr(R"("why":"run `sealstream migrate up`")"));
}

TEST(Readiness, FailsWhenALaneCannotWrite) {
  IngesterStatus status = healthy();
  status.lanes[1].database_ok = false;
  status.lanes[1].database_sentence = "disk full";
  EXPECT_THAT(to_json(readiness(status)), HasSubstr(R"("why":"lane 1: disk full")"));
}

TEST(Readiness, FailsWhileDraining) {
  IngesterStatus status = healthy();
  status.draining = true;
  EXPECT_FALSE(readiness(status).ok());
}

TEST(Readiness, DoesNotMindAHaltedPartition) {
  IngesterStatus status = healthy();
  add(status, 0, PartitionState::halted);
  EXPECT_TRUE(readiness(status).ok());
}

TEST(InstanceJson, ListsPartitionsInOrderWithTheirStates) {
  IngesterStatus status = healthy();
  PartitionStatus& halted = add(status, 10, PartitionState::halted);
  halted.next_offset = Offset(7);
  halted.halt_sentence = "not the same log";
  add(status, 9, PartitionState::claiming);
  const std::string json = partitions_json(status);
  EXPECT_EQ(
      json,
      R"({"partitions":[{"topic":"t","partition":9,"state":"claiming"},)"
      R"({"topic":"t","partition":10,"state":"halted","log_epoch":0,"owner_epoch":0,"next_offset":7,"lane":0,)"
      R"("halted":"not the same log"}]})"
      "\n");
}

TEST(InstanceJson, SumsUpTheInstance) {
  IngesterStatus status = healthy();
  add(status, 0, PartitionState::reading);
  const ProcessFacts facts{"1.2.3", "me", std::chrono::system_clock::time_point(), kStart};
  const std::string json = status_json(status, facts, kNow);
  EXPECT_TRUE(json_text(json).has_value());
  EXPECT_THAT(
      json,
      HasSubstr(R"("version":"1.2.3","owner":"me","started_at":"1970-01-01T00:00:00.000Z","live":true)"));
  EXPECT_THAT(json, HasSubstr(R"("partitions":{"claiming":0,"verifying":0,"reading":1,"halted":0})"));
}

}  // namespace
}  // namespace sealstream
