// Goal: whatever the database answers, each record of a lane's partitions takes effect exactly once and in
// order. Method: the production lane on its own thread over a log and a ledger in memory, with the faults of
// the classification table.
#include "ingest/lane.h"

#include <gtest/gtest.h>

#include <thread>

#include "ingest/eventually.h"
#include "ingest/fakes.h"

namespace sealstream {
namespace {

using namespace sealstream::testing;
using std::chrono::seconds;
using ::testing::_;
using ::testing::AtLeast;
using ::testing::NiceMock;

IngestOptions quick() {
  IngestOptions options;
  options.lanes = 1;
  options.backoff_first = milliseconds(1);
  options.backoff_last = milliseconds(2);
  options.claim_retry = milliseconds(1);
  options.fence_patience = milliseconds(1);
  options.recent_ids = 1024;
  return options;
}

Deadline in(std::chrono::milliseconds wait) { return std::chrono::steady_clock::now() + wait; }

class LaneTest : public ::testing::Test {
 protected:
  ~LaneTest() override {
    if (!thread_.joinable()) return;
    lane_.mailbox().send(CloseCommand{FlushReason::shutdown, true, in(seconds(5))});
    lane_.mailbox().send(FinishCommand{});
  }

  void opens(int partition, std::int64_t start = 0) {
    const auto claim = FakeLedger(db_).claim(partition_id(partition), "test", Offset(start));
    OpenCommand command;
    command.partitions.emplace_back(partition_id(partition), *claim);
    lane_.mailbox().send(std::move(command));
    if (!thread_.joinable()) thread_ = std::jthread([this] { lane_.run(); });
    ASSERT_TRUE(lane_.mailbox().wait_done(in(seconds(10))));
  }
  void publishes(int count, const std::string& tenant = "acme") {
    for (int i = 0; i < count; ++i, ++published_) {
      stream_.publish(login(published_, tenant, "event-" + std::to_string(1000 + published_)));
    }
  }
  bool reaches(std::int64_t next_offset, int partition = 0) {
    return eventually([&] { return db_.partition(partition).next == Offset(next_offset); });
  }
  void expect_exactly_once(int events, const std::string& tenant = "acme") {
    const auto rows = db_.rows_of(tenant);
    ASSERT_EQ(rows.size(), static_cast<std::size_t>(events));
    for (int i = 0; i < events; ++i) {
      EXPECT_EQ(rows[i].seq, Seq(i));
      EXPECT_EQ(rows[i].offset, Offset(i));
      EXPECT_EQ(rows[i].prev, i == 0 ? Checksum{} : rows[i - 1].checksum);
    }
  }
  void fails_next(LedgerFault fault, bool took_effect = false) {
    const std::lock_guard lock(db_.mutex);
    db_.commit_faults.push_back({fault, took_effect});
  }
  void database_down(bool down) {
    const std::lock_guard lock(db_.mutex);
    db_.down = down;
  }

  IngestOptions options_ = quick();
  Keyring keyring_ = two_keys();
  NiceMock<MockProbe> probe_;
  FakeDatabase db_;
  FakeStream stream_;
  LedgerFactory ledgers_ = [this](auto, auto) { return std::make_unique<FakeLedger>(db_); };
  Lane lane_{0, options_, keyring_, stream_, ledgers_, probe_};
  std::int64_t published_ = 0;
  std::jthread thread_;
};

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

TEST_F(LaneTest, ReopenedPartitionBeginsAtItsAnchor) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  lane_.mailbox().send(CloseCommand{FlushReason::revoke, false, in(seconds(5))});
  ASSERT_TRUE(lane_.mailbox().wait_done(in(seconds(10))));
  opens(0);
  EXPECT_EQ(lane_.partitions().front().state, PartitionState::verifying);
  stream_.seek(partition_id(0), Offset(2));
  publishes(1);
  ASSERT_TRUE(reaches(4));
  expect_exactly_once(4);
}

TEST_F(LaneTest, LogWithAnotherLastRecordIsHaltedWithItsSentence) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  {
    const std::lock_guard lock(db_.mutex);
    db_.partitions.at(partition_id(0)).last->digest.fill(9);
  }
  EXPECT_CALL(probe_, halted(partition_id(0), HaltCause::not_same_log, _));
  db_.steal(0);
  publishes(1);
  ASSERT_TRUE(eventually([&] {
    const auto partitions = lane_.partitions();
    return partitions.front().state == PartitionState::halted;
  }));
  EXPECT_NE(lane_.partitions().front().halt_sentence, "");
  EXPECT_EQ(db_.partition(0).next, Offset(3));
}

TEST_F(LaneTest, FirstRecordOfALogIsItsWitnessForEver) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  publishes(1);
  ASSERT_TRUE(reaches(4));
  const Witness first{Offset(0), at(0)};
  EXPECT_EQ(db_.partition(0).witness, first);
  EXPECT_EQ(stream_.watched[partition_id(0)], first);
  lane_.mailbox().send(CloseCommand{FlushReason::revoke, false, in(seconds(5))});
  ASSERT_TRUE(lane_.mailbox().wait_done(in(seconds(10))));
  stream_.watched.clear();
  opens(0);
  EXPECT_EQ(stream_.watched[partition_id(0)], first);
}

TEST_F(LaneTest, AnotherLogHaltsItsPartitionAndTheOthersGoOn) {
  opens(0);
  opens(4);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  EXPECT_CALL(probe_, halted(partition_id(0), HaltCause::not_same_log, _));
  stream_.deliver(AnotherLog{partition_id(0), Witness{Offset(0), at(0)}});
  publishes(1);
  stream_.publish(login(0, "zeta", "event-01", 4));
  ASSERT_TRUE(reaches(1, 4));
  EXPECT_EQ(db_.partition(0).next, Offset(3));
}

TEST_F(LaneTest, NextLogHasAWitnessOfItsOwn) {
  const Witness of_the_log_before{Offset(0), at(-9)};
  FakeDatabase::PartitionRow& row = db_.partitions[partition_id(0)];
  row.witness = of_the_log_before;
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  {
    const std::lock_guard lock(db_.mutex);
    row = {next(row.epoch), Offset(0), Offset(0), {}};
    row.log_epoch = LogEpoch(1);
  }
  publishes(1);
  ASSERT_TRUE(reaches(4));
  EXPECT_EQ(db_.partition(0).witness, (Witness{Offset(0), at(0)}));
  EXPECT_CALL(probe_, halted(_, _, _)).Times(0);
  stream_.deliver(AnotherLog{partition_id(0), of_the_log_before});
  publishes(1);
  EXPECT_TRUE(reaches(5));
}

TEST_F(LaneTest, RecordWithAProducersClockIsNoWitness) {
  options_.accept_create_time = true;
  opens(0);
  FetchedRecord stamped = login(published_++, "acme", "event-00");
  stamped.log_append_time = false;
  stream_.publish(std::move(stamped));
  publishes(1);
  ASSERT_TRUE(reaches(2));
  EXPECT_EQ(db_.partition(0).witness, (Witness{Offset(1), at(0)}));
}

TEST_F(LaneTest, ProducersClockHaltsThePartitionAndTheOthersGoOn) {
  opens(0);
  opens(4);
  FetchedRecord stamped = login(0, "acme", "event-00");
  stamped.log_append_time = false;
  EXPECT_CALL(probe_, halted(partition_id(0), HaltCause::create_time, _));
  stream_.publish(std::move(stamped));
  stream_.publish(login(0, "zeta", "event-01", 4));
  ASSERT_TRUE(reaches(1, 4));
  EXPECT_EQ(db_.partition(0).next, Offset(0));
}

TEST_F(LaneTest, CommittedRecordWithAProducersClockIsOnlyTheAnchor) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  lane_.mailbox().send(CloseCommand{FlushReason::revoke, false, in(seconds(5))});
  ASSERT_TRUE(lane_.mailbox().wait_done(in(seconds(10))));
  opens(0);
  FetchedRecord anchor = login(2, "acme", "event-1002");
  anchor.log_append_time = false;
  stream_.deliver(std::move(anchor));
  publishes(1);
  ASSERT_TRUE(reaches(4));
  expect_exactly_once(4);
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

TEST_F(LaneTest, EndBehindControlRecordsIsCommittedAsSkipped) {
  opens(0);
  publishes(2);
  stream_.deliver(EndReached{partition_id(0), Offset(5)});
  ASSERT_TRUE(reaches(5));
  EXPECT_EQ(db_.partition(0).skipped, 3);
}

TEST_F(LaneTest, WhatArrivesWhileASeekIsDueConfirmsNothing) {
  opens(0);
  stream_.failing_seeks = 1;
  stream_.before_next_delivery = [this] {
    stream_.deliver(EndReached{partition_id(0), Offset(3)});
    publishes(3);
  };
  stream_.deliver(EndReached{partition_id(0), Offset(2)});
  ASSERT_TRUE(reaches(3));
  expect_exactly_once(3);
}

TEST_F(LaneTest, GapInsideTheLogIsCountedAndReported) {
  opens(0);
  publishes(2);
  ++published_;
  EXPECT_CALL(probe_, gap(std::string_view("control"), 1));
  publishes(1);
  ASSERT_TRUE(reaches(4));
  EXPECT_EQ(db_.partition(0).skipped, 1);
}

}  // namespace
}  // namespace sealstream
