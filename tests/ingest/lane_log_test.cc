// Goal: a lane reads on in the log that it knows, skips nothing in it silently, and halts the partition alone
// whose log is another one. Method: the production lane on its own thread over a log and a ledger in memory.
#include "ingest/lane_fixture.h"

namespace sealstream {
namespace {

using namespace sealstream::testing;
using ::testing::_;

TEST_F(LaneTest, ReopenedPartitionBeginsAtItsAnchor) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  closes();
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

constexpr Extent kCut{Offset(0), Offset(1)};

TEST_F(LaneTest, LogThatSeemsCutForAWhileIsReadOn) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  EXPECT_CALL(probe_, halted(_, _, _)).Times(0);
  EXPECT_CALL(probe_, kafka_error(std::string_view("log_seems_cut"), _)).Times(5);
  stream_.extent_answers.assign(5, kCut);
  stream_.deliver(OutOfRange{partition_id(0)});
  publishes(2);
  ASSERT_TRUE(reaches(5));
  expect_exactly_once(5);
}

TEST_F(LaneTest, LogThatIsCutIsHalted) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  EXPECT_CALL(probe_, halted(partition_id(0), HaltCause::not_same_log, _));
  stream_.extent_answers.assign(20, kCut);
  stream_.deliver(OutOfRange{partition_id(0)});
  ASSERT_TRUE(eventually([&] { return lane_.partitions().front().state == PartitionState::halted; }));
}

/// A lane that has read three records, whose log is then cut and grows again to five of another tenant.
class LaneOfACutLogTest : public LaneTest {
 protected:
  void halts_where_the_broker_answers(std::deque<std::optional<Extent>> answers) {
    opens(0);
    publishes(3);
    ASSERT_TRUE(reaches(3));
    EXPECT_CALL(probe_, halted(partition_id(0), HaltCause::not_same_log, _));
    stream_.extent_answers = std::move(answers);
    stream_.make_again(partition_id(0));
    stream_.deliver(OutOfRange{partition_id(0)});
    published_ = 0;
    publishes(5, "zeta");
    ASSERT_TRUE(eventually([&] { return lane_.partitions().front().state == PartitionState::halted; }));
    EXPECT_EQ(db_.partition(0).next, Offset(3));
  }
};

TEST_F(LaneOfACutLogTest, IsHalted) { halts_where_the_broker_answers({kCut, kCut, kCut, kCut, kCut}); }

TEST_F(LaneOfACutLogTest, IsNotReadOnBecauseNobodyAnswers) {
  halts_where_the_broker_answers({std::nullopt, std::nullopt});
}

TEST_F(LaneTest, WhatIsInHandIsCommittedBeforeALogThatSeemsCutIsReadOn) {
  options_.linger = milliseconds(100);  // what comes right behind a batch waits so long
  opens(0);
  publishes(1);
  ASSERT_TRUE(reaches(1));
  stream_.extent_answers.assign(1, kCut);
  stream_.before_next_delivery = [this] { stream_.deliver(OutOfRange{partition_id(0)}); };
  publishes(1);
  ASSERT_TRUE(reaches(2));
  publishes(1);
  ASSERT_TRUE(reaches(3));
  EXPECT_EQ(stream_.seeks, (std::vector{std::pair{partition_id(0), Offset(1)}})) << "the last one committed";
  expect_exactly_once(3);
}

TEST_F(LaneTest, LogThatWasOutOfRangeIsReadOnFromItsLastRecord) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  stream_.deliver(OutOfRange{partition_id(0)});
  publishes(1);
  ASSERT_TRUE(reaches(4));
  EXPECT_EQ(stream_.seeks, (std::vector{std::pair{partition_id(0), Offset(2)}}));
  expect_exactly_once(4);
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
  closes();
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

TEST_F(LaneTest, AnotherLogIsKeptAndHaltsTheNextClaim) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  database_down(true);
  stream_.deliver(AnotherLog{partition_id(0), Witness{Offset(0), at(0)}});
  ASSERT_TRUE(eventually([&] { return !lane_.status().database_ok; })) << "it is tried";
  database_down(false);
  ASSERT_TRUE(eventually([&] { return db_.partition(0).another_log && lane_.status().database_ok; }));
  closes();
  EXPECT_CALL(probe_, halted(partition_id(0), HaltCause::not_same_log, _));
  opens(0);
  publishes(1);
  opens(4);
  stream_.publish(login(0, "zeta", "event-01", 4));
  ASSERT_TRUE(reaches(1, 4));
  EXPECT_EQ(db_.partition(0).next, Offset(3));
}

TEST_F(LaneTest, AnotherLogIsKeptWhoeverHoldsThePartitionByNow) {
  opens(0);
  publishes(3);
  ASSERT_TRUE(reaches(3));
  db_.steal(0);
  stream_.deliver(AnotherLog{partition_id(0), Witness{Offset(0), at(0)}});
  EXPECT_TRUE(eventually([&] { return db_.partition(0).another_log; }));
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
  closes();
  opens(0);
  FetchedRecord anchor = login(2, "acme", "event-1002");
  anchor.log_append_time = false;
  stream_.deliver(std::move(anchor));
  publishes(1);
  ASSERT_TRUE(reaches(4));
  expect_exactly_once(4);
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
