// Goal: an erasure that was done whole is no difference, one that was done halfway is one, and a rebuild
// brings nothing back. Method: rows of a key's life are erased as `sealstream erase` does it, or in the
// ledger alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "app/read_model_report.h"
#include "postgres/raw_session.h"
#include "postgres/read_model_ledger.h"

namespace sealstream {
namespace {

using testing::HasSubstr;

class ReadModelErasureTest : public testing::Test {
 protected:
  /// Erases these rows of acme as audit_eraser.
  void erase(const std::string& where) {
    RawSession eraser(ledger_.as("audit_eraser"));
    eraser.run(ledger_.erase_sql(where));
  }

  void expect_equal() {
    const ReadModelCheck check = ledger_.check();
    EXPECT_EQ(check.difference_count(), 0) << read_model_text(check);
  }

  ReadModelLedger ledger_;
};

constexpr const char* kErased[] = {"seq = 2",  // a call
                                   "action = 'auth_failed' AND seq % 3 = 0",
                                   "action = 'used' AND key_id = 'k-1'",
                                   "action = 'resolve'",
                                   "key_id = 'k-1'",
                                   "user_id <> 'dpo'"};

TEST_F(ReadModelErasureTest, AnErasureThatWasDoneWholeIsNoDifferenceAndNothingToRebuild) {
  for (const char* where : kErased) {
    SCOPED_TRACE(where);
    erase(where);
    expect_equal();
    for (const RebuiltTable& table : ledger_.rebuild()) {
      EXPECT_EQ(table.added + table.changed + table.removed, 0) << table.table->name;
    }
  }
  const ReadModelCheck check = ledger_.check();
  EXPECT_EQ(check.open_keys, 2);
  EXPECT_GT(check.open_anomalies, 0);
  EXPECT_THAT(read_model_text(check),
              HasSubstr("not compared because of erasures: what was erased of 2 keys, "));
}

TEST_F(ReadModelErasureTest, AnErasureOfTheLedgerAloneIsFound) {
  ledger_.run(
      "UPDATE audit.ledger SET user_id = NULL, user_email = NULL, user_name = NULL, on_behalf_of = NULL,"
      " session_id = NULL, client_ip = NULL, user_agent = NULL, resource_id = NULL, input_summary = NULL,"
      " output_summary = NULL, error_message = NULL, personal_detail = NULL WHERE tenant_id = 'acme'");
  std::set<std::string> tables;
  for (const ReadModelDifference& difference : ledger_.check().differences)
    tables.emplace(difference.table->name);
  EXPECT_THAT(tables, testing::IsSupersetOf({"usage_records", "api_keys", "api_key_attempts"}));
}

TEST_F(ReadModelErasureTest, ModelsThatWereEmptiedAfterAnErasureAreWrittenFromWhatIsLeft) {
  for (const char* where : kErased) {
    erase(where);
    for (const ReadModelTable& table : read_model_tables())
      ledger_.run("DELETE FROM audit." + std::string(table.name));
    ledger_.rebuild();
    expect_equal();
  }
}

TEST_F(ReadModelErasureTest, WhatALaterEventSaysOfAnErasedKeyIsComparedAgain) {
  erase("key_id = 'k-1'");
  ledger_.run("UPDATE audit.api_keys SET key_name = 'forged' WHERE key_id = 'k-1'");
  const ReadModelCheck check = ledger_.check();
  ASSERT_EQ(check.difference_count(), 1) << read_model_text(check);
  EXPECT_EQ(check.differences[0].values.at(0).column, "key_name");
}

}  // namespace
}  // namespace sealstream
