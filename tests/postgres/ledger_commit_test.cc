// Goal: a commit writes all of a batch, once, under the claimed epoch, or nothing.
// Method: batches through the real server as audit_writer; what is stored is read as the superuser.
#include <gtest/gtest.h>

#include "postgres/ledger_fixture.h"

namespace sealstream {
namespace {

class LedgerCommitTest : public LedgerTest {};

TEST_F(LedgerCommitTest, WritesRowsHeadsQuarantineAndPositionInOneTransaction) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1");
  batch.event("zeta", "e1");
  batch.refused("acme");
  batch.skip(2).duplicate(3);
  ledger_.commit(batch.writes());

  EXPECT_EQ(ledger_rows(), "3");
  EXPECT_EQ(value("SELECT string_agg(concat_ws(' ', tenant_id, seq, events, quarantined, base_seq), '; '"
                  " ORDER BY tenant_id) FROM audit.chain_heads"),
            "acme 1 1 1 -1; zeta 0 1 0 -1");
  EXPECT_EQ(value("SELECT concat_ws(' ', first_offset, next_offset, owner_epoch, last_offset, accepted,"
                  " duplicate, quarantined, skipped) FROM audit.partitions"),
            "0 8 1 7 2 3 1 2");
  EXPECT_EQ(
      value("SELECT concat_ws(' ', kafka_offset, convert_from(key, 'UTF8'), reason, member_path, tenant_id)"
            " FROM audit.quarantine"),
      "2 acme invalid_json data.usage acme");
  EXPECT_EQ(
      value("SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM audit.ledger UNION ALL SELECT xmin"
            " FROM audit.chain_heads UNION ALL SELECT xmin FROM audit.partitions UNION ALL SELECT xmin"
            " FROM audit.quarantine) AS x"),
      "1");
}

TEST_F(LedgerCommitTest, ABatchWithoutRowsMovesThePosition) {
  TestBatch batch(partition(0), claimed());
  batch.skip(7);
  ledger_.commit(batch.writes());
  EXPECT_EQ(value("SELECT next_offset || ' ' || skipped FROM audit.partitions"), "7 7");
}

TEST_F(LedgerCommitTest, ABatchOverAMonthsEndFillsTwoLeaves) {
  const Timestamp december = kNow + std::chrono::days(20);
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1", kNow);
  batch.event("zeta", "e1", december);
  batch.event("acme", "e2", kNow + std::chrono::hours(1));
  batch.event("acme", "e3", december);
  ledger_.commit(batch.writes());
  EXPECT_EQ(value("SELECT (SELECT count(*) FROM audit.ledger_y2026m11) || ' ' ||"
                  " (SELECT count(*) FROM audit.ledger_y2026m12)"),
            "2 2");
}

TEST_F(LedgerCommitTest, MakesTheLeafThatIsMissing) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1", kNow);
  batch.event("acme", "e2", kNow + std::chrono::days(365));
  ledger_.commit(batch.writes());
  EXPECT_EQ(value("SELECT count(*) FROM audit.ledger_y2027m11"), "1");
  EXPECT_EQ(ledger_rows(), "2");
}

TEST_F(LedgerCommitTest, ASecondBatchFollowsTheFirst) {
  TestBatch first(partition(0), claimed());
  first.event("acme", "e1");
  ledger_.commit(first.writes());
  TestBatch second(partition(0), claimed());
  second.after("acme", first.head("acme")).event("acme", "e2");
  ledger_.commit(second.writes());
  EXPECT_EQ(value("SELECT concat_ws(' ', seq, events, base_seq) FROM audit.chain_heads"), "1 2 0");
}

TEST_F(LedgerCommitTest, AHeadThatAnotherMovedIsAConflictAndNothingIsWritten) {
  TestBatch first(partition(0), claimed(0));
  first.event("acme", "e1");
  ledger_.commit(first.writes());
  TestBatch stale(partition(1), claimed(1));
  stale.event("other", "o1");
  stale.after("acme", made_up_head("acme", Seq(4), kNow)).event("acme", "e9");
  EXPECT_EQ(outcome_of([&] { ledger_.commit(stale.writes()); }), "head_conflict SL001");
  TestBatch begins(partition(1), claimed(1));
  begins.event("acme", "e10");
  EXPECT_EQ(outcome_of([&] { ledger_.commit(begins.writes()); }), "head_conflict 23505");
  EXPECT_EQ(ledger_rows(), "1");
}

TEST_F(LedgerCommitTest, AHeadOfAnotherChecksumIsAConflict) {
  TestBatch first(partition(0), claimed());
  first.event("acme", "e1");
  ledger_.commit(first.writes());
  Head fork = first.head("acme");
  fork.checksum.fill(0xAB);
  TestBatch second(partition(0), claimed());
  second.after("acme", fork).event("acme", "e2");
  EXPECT_EQ(outcome_of([&] { ledger_.commit(second.writes()); }), "head_conflict SL001");
  EXPECT_EQ(ledger_rows(), "1");
}

TEST_F(LedgerCommitTest, AHeadThatIsMissingIsAConflictThoughItsBaseIsNotTheBeginning) {
  TestBatch batch(partition(0), claimed());
  batch.after("acme", made_up_head("acme", Seq(4), kNow)).event("acme", "e9");
  EXPECT_EQ(outcome_of([&] { ledger_.commit(batch.writes()); }), "head_conflict SL001");
  EXPECT_EQ(value("SELECT count(*) FROM audit.chain_heads"), "0");
}

TEST_F(LedgerCommitTest, AnIdThatIsThereIsADuplicateAndNothingIsWritten) {
  TestBatch first(partition(0), claimed());
  first.event("acme", "e1");
  ledger_.commit(first.writes());
  TestBatch again(partition(0), claimed());
  again.after("acme", first.head("acme")).event("acme", "e1");
  const auto error = error_of([&] { ledger_.commit(again.writes()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->fault(), LedgerFault::duplicate);
  EXPECT_EQ(error->constraint(), "ledger_y2026m11_event_id_key");
  EXPECT_EQ(ledger_rows(), "1");
}

TEST_F(LedgerCommitTest, AnOldEpochIsFencedBeforeARowIsSent) {
  const Claim old = claimed();
  auto other = ledger_as("audit_writer");
  ASSERT_TRUE(other.claim(partition(0), "other", std::nullopt));
  TestBatch batch(partition(0), old);
  batch.event("acme", "e1");
  EXPECT_EQ(outcome_of([&] { ledger_.commit(batch.writes()); }), "fenced SL002");
  EXPECT_EQ(ledger_rows(), "0");
}

TEST_F(LedgerCommitTest, AnotherNextOffsetIsFenced) {
  Claim ahead = claimed();
  ahead.next_offset = Offset(5);
  TestBatch batch(partition(0), ahead);
  batch.event("acme", "e1");
  EXPECT_EQ(outcome_of([&] { ledger_.commit(batch.writes()); }), "fenced SL002");
}

TEST_F(LedgerCommitTest, AfterARefusalTheSameConnectionWorks) {
  TestBatch bad(partition(0), claimed());
  bad.event("acme", "e1").set_text(Column::status, std::string_view("a\0b", 3));
  const auto pid = [&] {
    return value("SELECT string_agg(pid::text, ',') FROM pg_stat_activity WHERE usename = 'audit_writer'");
  };
  const auto before = pid();
  EXPECT_EQ(outcome_of([&] { ledger_.commit(bad.writes()); }), "row 22021");
  TestBatch good(partition(0), claimed());
  good.event("acme", "e1");
  ledger_.commit(good.writes());
  EXPECT_EQ(pid(), before);
  EXPECT_EQ(ledger_rows(), "1");
}

TEST_F(LedgerCommitTest, ABatchOfTwentyThousandRowsPasses) {
  TestBatch batch(partition(0), claimed());
  const std::string text(400, 'x');
  for (int i = 0; i < 20'000; ++i) {
    batch.event("tenant" + std::to_string(i % 5'000), "e" + std::to_string(i))
        .set_text(Column::user_agent, text);
  }
  ledger_.commit(batch.writes());
  EXPECT_EQ(ledger_rows(), "20000");
  EXPECT_EQ(value("SELECT count(*) FROM audit.chain_heads"), "5000");
}

}  // namespace
}  // namespace sealstream
