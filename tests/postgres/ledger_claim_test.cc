// Goal: a claim takes the partition, whoever holds it and however that holder is stuck; from then on the
// holder writes nothing. Method: other sessions of the same role that hold the partition's row on the real
// server.
#include <gtest/gtest.h>

#include <thread>

#include "postgres/eventually.h"
#include "postgres/ledger_fixture.h"
#include "postgres/raw_session.h"

namespace sealstream {
namespace {

class LedgerClaimTest : public LedgerTest {
 protected:
  RawSession writer_session() { return RawSession(database_.as("audit_writer")); }
  std::string hold_sql(const Claim& claim) {
    return "SELECT audit.hold(ARRAY['" + std::string(kTopic) + "'], ARRAY[0], ARRAY[" +
           std::to_string(claim.owner_epoch.value()) + "]::bigint[], ARRAY[" +
           std::to_string(claim.next_offset.value()) + "]::bigint[])";
  }
  bool lives(const std::string& pid) {
    return value("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) == "1";
  }
  bool someone_waits_for_a_lock() {
    return value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
               " AND wait_event_type = 'Lock'") != "0";
  }
};

TEST_F(LedgerClaimTest, ANewPartitionWithoutAStartStaysUnclaimed) {
  EXPECT_FALSE(ledger_.claim(partition(5), "test", std::nullopt));
  EXPECT_EQ(value("SELECT count(*) FROM audit.partitions"), "0");
}

TEST_F(LedgerClaimTest, ANewPartitionBeginsAtItsStart) {
  const auto claim = ledger_.claim(partition(5), "me", Offset(42));
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->next_offset, Offset(42));
  EXPECT_EQ(claim->log_epoch, LogEpoch(0));
  EXPECT_EQ(claim->owner_epoch, OwnerEpoch(1));
  EXPECT_FALSE(claim->last);
  EXPECT_EQ(value("SELECT concat_ws(' ', first_offset, owner) FROM audit.partitions"), "42 me");
}

TEST_F(LedgerClaimTest, PositionsAreToldInTheOrderAsked) {
  ledger_.claim(partition(5), "me", Offset(42));
  ledger_.claim(partition(3), "me", Offset(7));
  const PartitionId asked[] = {partition(3), partition(4), partition(5), {"another.topic", Partition(5)}};
  run("UPDATE audit.partitions SET log_epoch = 2 WHERE partition = 5");
  EXPECT_EQ(ledger_.positions(asked), (std::vector<std::optional<StoredPosition>>{
                                          StoredPosition{LogEpoch(0), Offset(7)}, std::nullopt,
                                          StoredPosition{LogEpoch(2), Offset(42)}, std::nullopt}));
  EXPECT_TRUE(ledger_.positions({}).empty());
}

TEST_F(LedgerClaimTest, EveryClaimRaisesTheEpochAndKeepsThePosition) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1");
  batch.event("acme", "e2");
  ledger_.commit(batch.writes());
  const auto claim = ledger_.claim(partition(0), "other", Offset(0));
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->owner_epoch, OwnerEpoch(2));
  EXPECT_EQ(claim->next_offset, Offset(2));
  ASSERT_TRUE(claim->last);
  EXPECT_EQ(claim->last->offset, Offset(1));
  EXPECT_EQ(claim->last->digest, (SourceDigest{1, 2, 3}));
  EXPECT_EQ(ledger_.claim(partition(0), "third", std::nullopt)->owner_epoch, OwnerEpoch(3));
}

TEST_F(LedgerClaimTest, ABatchWithoutARecordKeepsTheLastOne) {
  TestBatch first(partition(0), claimed());
  first.event("acme", "e1");
  ledger_.commit(first.writes());
  TestBatch second(partition(0), claimed());
  second.skip(3);
  auto writes = second.writes();
  writes.partitions.front().last.reset();
  ledger_.commit(writes);
  EXPECT_EQ(claimed().last->offset, Offset(0));
  EXPECT_EQ(claimed().next_offset, Offset(4));
}

TEST_F(LedgerClaimTest, TheFirstWitnessOfALogIsKeptAndTold) {
  const auto commit = [&](std::optional<Witness> witness) {
    TestBatch batch(partition(0), claimed());
    batch.duplicate(2);
    WriteSet writes = batch.writes();
    writes.partitions.front().witness = witness;
    ledger_.commit(writes);
    return claimed().witness;
  };
  const Witness first{Offset(3), kNow}, later{Offset(5), kNow + milliseconds(1)};
  EXPECT_EQ(commit(std::nullopt), std::nullopt);
  EXPECT_EQ(commit(first), first);
  EXPECT_EQ(commit(later), first);
  EXPECT_EQ(commit(std::nullopt), first);
}

TEST_F(LedgerClaimTest, AnotherLogIsKeptWhoeverSaysSoUntilAnOperatorMovesOn) {
  EXPECT_FALSE(claimed().another_log);
  ledger_.keep_another_log(partition(0), LogEpoch(1));
  EXPECT_FALSE(claimed().another_log) << "that was said of another log";
  ledger_.keep_another_log(partition(0), LogEpoch(0));
  EXPECT_TRUE(claimed().another_log);
  EXPECT_TRUE(claimed().another_log);
  run("SELECT audit.accept_loss('" + std::string(kTopic) + "', 0, 0, 0, 0, 0, 'made again', 'an-event')");
  ledger_.keep_another_log(partition(0), LogEpoch(0));
  EXPECT_FALSE(claimed().another_log);
}

TEST_F(LedgerClaimTest, AHolderFrozenInMidCopyIsEndedAndWritesNothing) {
  const Claim old = claimed();
  auto frozen = writer_session();
  frozen.run("BEGIN; " + hold_sql(old) + "; COPY audit.ledger_y2026m11 FROM STDIN (FORMAT binary)");
  auto other = ledger_as("audit_writer");
  const int ticks_before = ticks_;
  const auto claim = other.claim(partition(0), "other", std::nullopt);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->owner_epoch, next(old.owner_epoch));
  EXPECT_EQ(claim->next_offset, Offset(0));
  EXPECT_FALSE(lives(frozen.pid()));
  EXPECT_GE(ticks_ - ticks_before, 5) << "the heart stood still while the claim waited";
  EXPECT_EQ(ledger_rows(), "0");
}

TEST_F(LedgerClaimTest, AHolderIdleInItsTransactionIsEnded) {
  auto idle = writer_session();
  idle.run("BEGIN; " + hold_sql(claimed()));
  ASSERT_TRUE(ledger_.claim(partition(0), "other", std::nullopt));
  EXPECT_FALSE(lives(idle.pid()));
}

TEST_F(LedgerClaimTest, AHolderThatCommitsInTimeIsWaitedFor) {
  auto holder = writer_session();
  holder.run("BEGIN; " + hold_sql(claimed()) + "; UPDATE audit.partitions SET next_offset = 9, skipped = 9");
  std::thread commits([&] {
    EXPECT_TRUE(becomes_true([&] { return someone_waits_for_a_lock(); }));
    holder.run("COMMIT");
  });
  const auto claim = ledger_.claim(partition(0), "other", std::nullopt);
  commits.join();
  EXPECT_EQ(claim->next_offset, Offset(9));
  EXPECT_TRUE(lives(holder.pid()));
}

TEST_F(LedgerClaimTest, AHolderOfAnotherRoleIsNotEndedAndTheClaimFailsInTheEnd) {
  claimed();
  SuperuserSession holder(value("SELECT current_database()"));
  holder.run("BEGIN; SELECT 1 FROM audit.partitions FOR UPDATE");
  EXPECT_EQ(outcome_of([&] { ledger_.claim(partition(0), "other", std::nullopt); }), "unavailable 55P03");
  holder.run("ROLLBACK");
  EXPECT_TRUE(ledger_.claim(partition(0), "other", std::nullopt));
}

TEST_F(LedgerClaimTest, TheOldHolderIsFencedAndTheNewOneWrites) {
  TestBatch zombie(partition(0), claimed());
  zombie.event("acme", "e1");
  auto other = ledger_as("audit_writer");
  TestBatch successor(partition(0), other.claim(partition(0), "other", std::nullopt).value());
  successor.event("acme", "e1");
  EXPECT_EQ(outcome_of([&] { ledger_.commit(zombie.writes()); }), "fenced SL002");
  other.commit(successor.writes());
  EXPECT_EQ(outcome_of([&] { ledger_.commit(zombie.writes()); }), "fenced SL002");
  EXPECT_EQ(ledger_rows(), "1");
}

}  // namespace
}  // namespace sealstream
