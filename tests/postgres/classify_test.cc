// Goal: every row of the table of outcomes (design: delivery.md) is decided as it says.
// Method: the pure function, code by code; ledger_faults_test.cc has the real server cause each of them.
#include "postgres/classify.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

using enum LedgerFault;

constexpr Phase kEveryPhase[] = {Phase::connect, Phase::copy, Phase::statements, Phase::commit_sent};

void expect_in_every_phase(LedgerFault fault, std::initializer_list<std::string_view> codes,
                           std::string_view constraint = "") {
  for (const auto code : codes) {
    for (const auto phase : kEveryPhase) {
      EXPECT_EQ(classify(code, constraint, phase), fault) << code << " " << constraint;
    }
  }
}

TEST(Classify, AGuardThatRaisedSl001IsAHeadConflict) { expect_in_every_phase(head_conflict, {"SL001"}); }

TEST(Classify, AHeldSeqOrAHeadInsertedTwiceIsAHeadConflict) {
  expect_in_every_phase(head_conflict, {"23505"}, "ledger_y2026m11_seq_key");
  expect_in_every_phase(head_conflict, {"23505"}, "chain_heads_pkey");
}

TEST(Classify, AGuardThatRaisedSl002IsAFence) { expect_in_every_phase(fenced, {"SL002"}); }

TEST(Classify, AHeldEventIdIsADuplicate) {
  expect_in_every_phase(duplicate, {"23505"}, "ledger_y2026m11_event_id_key");
}

TEST(Classify, DataThatTheServerCannotStoreIsARowsFault) {
  expect_in_every_phase(row, {"22021", "22003", "22P03", "22000", "23502", "54000", "54001"});
  expect_in_every_phase(row, {"23514"}, "ledger_seq_check");
  expect_in_every_phase(row, {"23514"}, "ledger_personal_commitment_check");
}

TEST(Classify, AConstraintThatNoRecordCanViolateIsOurs) {
  expect_in_every_phase(ours, {"23503", "23P01", "23001", "23000"});
  expect_in_every_phase(ours, {"23514"}, "");  // outside the leaf's month
  expect_in_every_phase(ours, {"23514"}, "partitions_totals_check");
  expect_in_every_phase(ours, {"23514"}, "chain_heads_base_seq_check");
  expect_in_every_phase(ours, {"23505"}, "quarantine_pkey");
  expect_in_every_phase(ours, {"23505"}, "other_seq_key");
}

TEST(Classify, WhatNoTableNamesIsOurs) { expect_in_every_phase(ours, {"XX000", "0A000", "25P02", "P0001"}); }

TEST(Classify, AServerThatIsFullBusyOrReadOnlyIsUnavailable) {
  expect_in_every_phase(unavailable,
                        {"53100", "53200", "53300", "25006", "40001", "40P01", "55P03", "57014", "58030"});
}

TEST(Classify, AServerThatIsAwayIsUnavailable) {
  for (const auto phase : {Phase::connect, Phase::copy, Phase::statements}) {
    for (const auto code : {"", "08006", "08P01", "57P01", "57P02", "57P03"}) {
      EXPECT_EQ(classify(code, "", phase), unavailable) << code;
    }
  }
}

TEST(Classify, AServerThatWentAwayAfterCommitWasSentLeavesItInDoubt) {
  for (const auto code : {"", "08006", "57P01", "57P02"}) {
    EXPECT_EQ(classify(code, "", Phase::commit_sent), in_doubt) << code;
  }
}

TEST(Classify, AWrongLoginDatabaseRightOrSchemaIsMisconfigured) {
  expect_in_every_phase(misconfigured,
                        {"28000", "28P01", "3D000", "3F000", "42501", "42P01", "42883", "42703"});
}

TEST(Classify, KeepsWhatTheServerSaid) {
  const auto error =
      to_ledger_error({"23505", "chain_heads_pkey", "duplicate key", false}, Phase::statements);
  EXPECT_EQ(error.fault(), head_conflict);
  EXPECT_EQ(error.sqlstate(), "23505");
  EXPECT_EQ(error.constraint(), "chain_heads_pkey");
  EXPECT_STREQ(error.what(), "duplicate key");
}

}  // namespace
}  // namespace sealstream
