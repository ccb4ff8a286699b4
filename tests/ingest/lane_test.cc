// Goal: whatever the database answers, each record of a lane's partitions takes effect exactly once and in
// order. Method: the production lane on its own thread over a log and a ledger in memory, with the faults of
// the classification table.
#include "ingest/lane_fixture.h"

namespace sealstream {
namespace {

using namespace sealstream::testing;
using std::chrono::seconds;
using ::testing::_;
using ::testing::AtLeast;

TEST_F(LaneTest, RecordsBecomeRowsInOrder) {
  opens(0);
  publishes(50);
  ASSERT_TRUE(reaches(50));
  expect_exactly_once(50);
}

TEST_F(LaneTest, OffsetsAreMirroredToKafkaAfterTheCommit) {
  opens(0);
  publishes(5);
  ASSERT_TRUE(reaches(5));
  EXPECT_TRUE(eventually([&] { return lane_.partitions().front().next_offset == Offset(5); }));
  EXPECT_EQ(stream_.mirrored[partition_id(0)], Offset(5));
}

TEST_F(LaneTest, EveryStageOfABatchIsTimed) {
  for (const Stage stage : {Stage::fill, Stage::prepare, Stage::seal, Stage::commit})
    EXPECT_CALL(probe_, stage_took(stage, _)).Times(AtLeast(1));
  opens(0);
  publishes(5);
  ASSERT_TRUE(reaches(5));
}

TEST_F(LaneTest, HeadConflictReloadsTheHeadsAndSealsAgain) {
  opens(0);
  EXPECT_CALL(probe_, head_conflict()).Times(AtLeast(1));
  fails_next(LedgerFault::head_conflict);
  publishes(5);
  ASSERT_TRUE(reaches(5));
  expect_exactly_once(5);
}

TEST_F(LaneTest, HeadMovedByAnotherInstanceIsFoundAndBuiltUpon) {
  opens(0);
  publishes(2);
  ASSERT_TRUE(reaches(2));
  Head moved;
  {
    const std::lock_guard lock(db_.mutex);
    moved = db_.chains["acme"].head;
    moved.seq = next(moved.seq);
    moved.checksum.fill(7);
    db_.chains["acme"].head = moved;
  }
  publishes(1);
  ASSERT_TRUE(reaches(3));
  const auto rows = db_.rows_of("acme");
  EXPECT_EQ(rows.back().seq, Seq(3));
  EXPECT_EQ(rows.back().prev, moved.checksum);
}

TEST_F(LaneTest, FencedLaneClaimsAgainAndReadsFromWhereTheClaimSays) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  db_.steal(0);
  EXPECT_CALL(probe_, fenced(_)).Times(AtLeast(1));
  EXPECT_CALL(probe_, commits_lost(_, _)).Times(0);
  publishes(3);
  ASSERT_TRUE(reaches(6));
  expect_exactly_once(6);
  EXPECT_EQ(stream_.seeks.front().second, Offset(2)) << "reading begins at the anchor";
}

TEST_F(LaneTest, DatabaseThatWentBackInTimeIsFilledAgainAndThatIsSaid) {
  EXPECT_CALL(probe_, commits_lost(partition_id(0), Offset(0)));
  opens(0);
  publishes(4);
  ASSERT_TRUE(reaches(4));
  {
    const std::lock_guard lock(db_.mutex);  // a failover lost everything but the partition's row
    auto& row = db_.partitions.at(partition_id(0));
    row.next = Offset(0);
    row.last.reset();
    db_.rows.clear();
    db_.chains.clear();
  }
  publishes(2);
  ASSERT_TRUE(reaches(6));
  expect_exactly_once(6);
}

TEST_F(LaneTest, DuplicateThatTheCacheForgotIsCountedAndItsNeighboursLand) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  for (int i = 0; i < 3000; ++i) publishes(1, "other");  // the cache of the test holds 1,024 ids
  ASSERT_TRUE(reaches(3003));
  stream_.publish(login(published_++, "acme", "event-1001"));
  publishes(2);
  ASSERT_TRUE(reaches(published_));
  EXPECT_EQ(db_.rows_of("acme").size(), 5u);
  EXPECT_EQ(db_.partition(0).duplicate, 1);
}

TEST_F(LaneTest, PoisonousRowsAreFoundByHalvingAndTheirNeighboursLand) {
  opens(0);
  {
    const std::lock_guard lock(db_.mutex);
    db_.poisonous_ids = {"event-1003", "event-1017"};
  }
  publishes(20);
  ASSERT_TRUE(reaches(20));
  const auto rows = db_.rows_of("acme");
  ASSERT_EQ(rows.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(rows[i].family == "quarantined", i == 3 || i == 17) << i;
  ASSERT_EQ(db_.quarantine.size(), 2u);
  EXPECT_EQ(db_.quarantine[0].refusal.reason, Reason::db_rejected);
  EXPECT_EQ(db_.quarantine[0].sqlstate, "22000");
  EXPECT_EQ(db_.quarantine[0].constraint, "ledger_test_check");
}

TEST_F(LaneTest, InDoubtCommitThatWentThroughIsNotSentAgain) {
  opens(0);
  EXPECT_CALL(probe_, in_doubt(std::string_view("committed")));
  fails_next(LedgerFault::in_doubt, true);
  publishes(5);
  ASSERT_TRUE(reaches(5));
  publishes(5);
  ASSERT_TRUE(reaches(10));
  expect_exactly_once(10);
}

TEST_F(LaneTest, InDoubtCommitThatDidNotGoThroughIsSentAgainUnderTheNewEpoch) {
  opens(0);
  EXPECT_CALL(probe_, in_doubt(std::string_view("not_committed")));
  fails_next(LedgerFault::in_doubt, false);
  publishes(5);
  ASSERT_TRUE(reaches(5));
  expect_exactly_once(5);
  EXPECT_EQ(db_.partition(0).epoch, OwnerEpoch(2));
}

TEST_F(LaneTest, DatabaseThatIsAwayLosesNothingAndIsReportedUntilItIsBack) {
  opens(0);
  database_down(true);
  std::atomic<int> reports = 0;
  EXPECT_CALL(probe_, database_failed(std::string_view("08006"), _)).WillRepeatedly([&](auto, auto) {
    ++reports;
  });
  publishes(5);
  ASSERT_TRUE(eventually([&] { return !lane_.status().database_ok && reports >= 2; }));
  EXPECT_EQ(lane_.status().database_sentence, "the database is down");
  database_down(false);
  ASSERT_TRUE(reaches(5));
  expect_exactly_once(5);
  EXPECT_TRUE(eventually([&] { return lane_.status().database_ok; }));
}

TEST_F(LaneTest, FaultsThatAreOursKeepTheBatchAndQuarantineNothing) {
  opens(0);
  fails_next(LedgerFault::ours);
  fails_next(LedgerFault::misconfigured);
  publishes(5);
  ASSERT_TRUE(reaches(5));
  expect_exactly_once(5);
  EXPECT_TRUE(db_.quarantine.empty());
}

TEST_F(LaneTest, ClaimThatFailsWhileInDoubtIsTriedUntilItAnswers) {
  opens(0);
  {
    const std::lock_guard lock(db_.mutex);
    db_.claim_faults = {LedgerFault::unavailable, LedgerFault::unavailable};
  }
  fails_next(LedgerFault::in_doubt, true);
  publishes(5);
  ASSERT_TRUE(reaches(5));
  expect_exactly_once(5);
}

TEST_F(LaneTest, ALaneLingersForMoreOnlyWhereItWasBusy) {
  options_.linger = options_.batch_age = seconds(30);
  options_.batch_bytes = 3 * (std::string("acme").size() + event_json("acme", "event-1000").size());
  lane_.take_batch_limits(options_);
  opens(0);
  publishes(1);
  ASSERT_TRUE(reaches(1)) << "the lane was at rest";
  publishes(2);
  publishes(1);
  ASSERT_TRUE(reaches(4));
  const std::lock_guard lock(db_.mutex);
  EXPECT_EQ(db_.commits, 2);
}

TEST_F(LaneTest, CloseCommitsWhatIsInHandFirst) {
  options_.linger = options_.batch_age = seconds(30);
  opens(0);
  publishes(1);
  ASSERT_TRUE(reaches(1)) << "the lane was at rest";
  int deliveries = 0;
  std::function<void()> closes_at_the_fifth = [&] {
    if (++deliveries < 5) {
      stream_.before_next_delivery = closes_at_the_fifth;
    } else {
      lane_.mailbox().send(CloseCommand{FlushReason::revoke, false, in(seconds(5))});
    }
  };
  stream_.before_next_delivery = closes_at_the_fifth;
  publishes(5);
  ASSERT_TRUE(eventually([&] { return lane_.partitions().empty(); }));
  expect_exactly_once(5);
  EXPECT_EQ(lane_.given_up(), 0);
}

TEST_F(LaneTest, CloseWithTheDatabaseAwayGivesTheBatchUpAtItsDeadline) {
  opens(0);
  database_down(true);
  publishes(5);
  ASSERT_TRUE(eventually([&] { return !lane_.status().database_ok; }));
  lane_.mailbox().send(CloseCommand{FlushReason::shutdown, false, in(milliseconds(50))});
  ASSERT_TRUE(lane_.mailbox().wait_done(in(seconds(10))));
  EXPECT_EQ(lane_.given_up(), 5);
  EXPECT_TRUE(db_.rows.empty());
}

TEST_F(LaneTest, RecordsOfAPartitionThatIsNotOpenAreDropped) {
  opens(0);
  stream_.publish(login(0, "acme", "event-00", 8));
  publishes(1);
  ASSERT_TRUE(reaches(1));
  expect_exactly_once(1);
}

TEST_F(LaneTest, FirstDeliveryOfAnAssignmentIsNotLostWhileItsOpenWaitsInTheMailbox) {
  opens(4);  // the lane runs, and is idle
  stream_.extent_answer = Extent{Offset(0), Offset(7)};
  const Claim claim{LogEpoch(0), OwnerEpoch(1), Offset(9), LastRecord{Offset(8), {}}};
  stream_.before_next_delivery = [this, claim] {
    OpenCommand command;
    command.partitions.emplace_back(partition_id(0), claim);
    lane_.mailbox().send(std::move(command));
  };
  stream_.deliver(OutOfRange{partition_id(0)});
  EXPECT_TRUE(eventually([&] {
    const auto partitions = lane_.partitions();
    return partitions.size() == 2 && partitions[1].state == PartitionState::halted;
  }));
}

}  // namespace
}  // namespace sealstream
