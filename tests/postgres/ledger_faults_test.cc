// Goal: each row of the table of outcomes (design: delivery.md) is told apart when the real server causes it,
// nothing of the batch is written, and the same ledger goes on once the cause is gone.
// Method: the server is made to refuse: by what the batch holds, by triggers, locks, limits, rights and
// signals.
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <random>

#include "postgres/eventually.h"
#include "postgres/ledger_fixture.h"

namespace sealstream {
namespace {

class LedgerFaultsTest : public LedgerTest {
 protected:
  LedgerFaultsTest() : batch_(partition(0), claimed()) { event_ = &batch_.event("acme", "e1"); }

  std::string commit() {
    return outcome_of([&] { ledger_.commit(batch_.writes()); });
  }
  /// From now on whoever writes to `table` fails so.
  void raise_on(const std::string& table, const std::string& sqlstate) {
    run("CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '" +
        sqlstate + "'; END $$");
    run("CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON " + table + " EXECUTE FUNCTION fault()");
  }
  void heal(const std::string& table) { run("DROP TRIGGER fault ON " + table); }
  /// From now on whoever inserts into `table` stops there.
  void stop_on(const std::string& table) {
    run("CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_sleep(60); RETURN NEW; END $$");
    run("CREATE TRIGGER stop BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION stop()");
  }
  std::string writer(const std::string& expression, const std::string& condition = "true") {
    return value("SELECT coalesce(max(" + expression +
                 ")::text, '') FROM pg_stat_activity WHERE datname = current_database()"
                 " AND usename = 'audit_writer' AND " +
                 condition);
  }
  void end_writer_once_it_sleeps() {
    const std::string asleep = "wait_event = 'PgSleep'";
    ASSERT_TRUE(becomes_true([&] { return !writer("pid", asleep).empty(); }));
    run("SELECT pg_terminate_backend(" + writer("pid", asleep) + ")");
  }
  void expect_nothing_written_then_all() {
    EXPECT_EQ(ledger_rows(), "0");
    EXPECT_EQ(value("SELECT count(*) FROM audit.chain_heads"), "0");
    EXPECT_EQ(value("SELECT next_offset FROM audit.partitions"), "0");
    EXPECT_EQ(commit(), "nothing");
    EXPECT_EQ(ledger_rows(), "1");
  }

  TestBatch batch_;
  Row* event_;
};

TEST_F(LedgerFaultsTest, ANulCharacterIsARowsFault) {
  event_->set_text(Column::model, std::string_view("a\0b", 3));
  EXPECT_EQ(commit(), "row 22021");
}

TEST_F(LedgerFaultsTest, TextThatIsNotUtf8IsARowsFault) {
  event_->set_text(Column::model, "\xC3(");
  EXPECT_EQ(commit(), "row 22021");
}

TEST_F(LedgerFaultsTest, JsonThatIsNoneIsARowsFault) {
  event_->set_json(Column::detail, "{");
  EXPECT_EQ(commit(), "row 22P02");
}

TEST_F(LedgerFaultsTest, ACharacterThatJsonbCannotHoldIsARowsFault) {
  event_->set_json(Column::detail, R"({"a": "\u0000"})");
  EXPECT_EQ(commit(), "row 22P05");
}

TEST_F(LedgerFaultsTest, AMissingValueIsARowsFault) {
  event_->clear(Column::source);
  EXPECT_EQ(commit(), "row 23502");
}

TEST_F(LedgerFaultsTest, ACheckOfTheLedgerIsARowsFaultAndNamed) {
  event_->set_bytes(Column::source_digest, "short");
  const auto error = error_of([&] { ledger_.commit(batch_.writes()); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->fault(), LedgerFault::row);
  EXPECT_EQ(error->sqlstate(), "23514");
  EXPECT_EQ(error->constraint(), "ledger_source_digest_check");
}

TEST_F(LedgerFaultsTest, AValueThatAnIndexCannotHoldIsARowsFault) {
  std::mt19937 random(1);  // an index compresses what it can
  std::string id(20'000, ' ');
  for (char& c : id) c = static_cast<char>('!' + random() % 90);
  event_->set_text(Column::event_id, id);
  EXPECT_EQ(commit(), "row 54000");
}

TEST_F(LedgerFaultsTest, TheSameClassesOutsideCopyAreARowsFaultToo) {
  raise_on("audit.chain_heads", "22003");
  EXPECT_EQ(commit(), "row 22003");
  heal("audit.chain_heads");
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, ABadRowStopsALongCopyEarlyAndLeavesTheConnectionWhole) {
  event_->set_text(Column::model, std::string_view("a\0b", 3));
  const std::string text(1'000, 'x');
  for (int i = 0; i < 20'000; ++i) {
    batch_.event("acme", "more" + std::to_string(i)).set_text(Column::user_agent, text);
  }
  ledger_.check();
  const auto pid = writer("pid");
  EXPECT_EQ(commit(), "row 22021");
  ledger_.check();
  EXPECT_EQ(writer("pid"), pid);
}

TEST_F(LedgerFaultsTest, ADoubledQuarantineRowIsOurs) {
  batch_.refused("acme");
  run("INSERT INTO audit.quarantine (topic, log_epoch, partition, kafka_offset, kafka_timestamp, "
      "header_names,"
      " header_values, redacted, reason, message) VALUES ('" +
      std::string(kTopic) + "', 0, 0, 1, now(), '{}', '{}', false, 'schema', 'x')");
  EXPECT_EQ(commit(), "ours 23505");
}

TEST_F(LedgerFaultsTest, TotalsThatDoNotAddUpAreOurs) {
  auto writes = batch_.writes();
  writes.partitions.front().accepted = 7;
  EXPECT_EQ(outcome_of([&] { ledger_.commit(writes); }), "ours 23514");
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, ARowOutsideItsLeafsMonthIsOurs) {
  run("ALTER TABLE audit.ledger DETACH PARTITION audit.ledger_y2026m11");
  run("ALTER TABLE audit.ledger ATTACH PARTITION audit.ledger_y2026m11 FOR VALUES FROM ('2026-01-01') TO"
      " ('2026-02-01')");
  EXPECT_EQ(commit(), "ours 23514");
}

TEST_F(LedgerFaultsTest, AForeignKeyOrAnExclusionIsOurs) {
  for (const char* sqlstate : {"23503", "23P01"}) {
    raise_on("audit.chain_heads", sqlstate);
    EXPECT_EQ(commit(), "ours " + std::string(sqlstate));
    heal("audit.chain_heads");
  }
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, AFullDiskOrLackOfMemoryMakesTheServerUnavailable) {
  for (const char* table : {"audit.ledger_y2026m11", "audit.chain_heads"}) {
    for (const char* sqlstate : {"53100", "53200"}) {
      raise_on(table, sqlstate);
      EXPECT_EQ(commit(), "unavailable " + std::string(sqlstate));
      heal(table);
    }
  }
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, ASerializationFailureMakesTheServerUnavailable) {
  raise_on("audit.chain_heads", "40001");
  EXPECT_EQ(commit(), "unavailable 40001");
  heal("audit.chain_heads");
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, ALockThatIsHeldMakesTheServerUnavailable) {
  SuperuserSession other(value("SELECT current_database()"));
  other.run("BEGIN; LOCK TABLE audit.chain_heads");
  EXPECT_EQ(commit(), "unavailable 55P03");
  other.run("ROLLBACK");
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, ADeadlockMakesTheServerUnavailable) {
  // The writer looks for a deadlock after its wait of two seconds; the other session never does.
  run("ALTER ROLE audit_writer IN DATABASE " + value("SELECT current_database()") +
      " SET deadlock_timeout = '2s'");
  auto fresh = ledger_as("audit_writer");
  fresh.check();
  SuperuserSession other(value("SELECT current_database()"));
  other.run("SET deadlock_timeout = '10min'; SET lock_timeout = '30s'; BEGIN; LOCK TABLE audit.chain_heads");
  auto outcome =
      std::async(std::launch::async, [&] { return outcome_of([&] { fresh.commit(batch_.writes()); }); });
  EXPECT_TRUE(becomes_true([&] { return !writer("pid", "wait_event_type = 'Lock'").empty(); }));
  other.run("LOCK TABLE audit.partitions");
  EXPECT_EQ(outcome.get(), "unavailable 40P01");
  other.run("ROLLBACK");
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, AReadOnlyDatabaseMakesTheServerUnavailable) {
  const auto name = value("SELECT current_database()");
  run("ALTER DATABASE " + name + " SET default_transaction_read_only = on");
  auto fresh = ledger_as("audit_writer");
  EXPECT_EQ(outcome_of([&] { fresh.commit(batch_.writes()); }), "unavailable 25006");
  EXPECT_EQ(outcome_of([&] { fresh.check(); }), "unavailable ");
  run("SET default_transaction_read_only = off; ALTER DATABASE " + name +
      " RESET default_transaction_read_only");
  EXPECT_EQ(outcome_of([&] { fresh.check(); }), "nothing") << "the ledger kept a read-only session";
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, TooManyConnectionsMakeTheServerUnavailable) {
  const auto name = value("SELECT current_database()");
  run("ALTER DATABASE " + name + " CONNECTION LIMIT 0");
  auto fresh = ledger_as("audit_writer");
  EXPECT_EQ(outcome_of([&] { fresh.commit(batch_.writes()); }), "unavailable 53300");
  run("ALTER DATABASE " + name + " CONNECTION LIMIT -1");
  EXPECT_EQ(outcome_of([&] { fresh.commit(batch_.writes()); }), "nothing");
}

TEST_F(LedgerFaultsTest, NoServerAtAllIsUnavailable) {
  auto options = database_.as("audit_writer");
  options.port = 1;
  PostgresLedger nowhere(options, known_schema_version(), [] {});
  EXPECT_EQ(outcome_of([&] { nowhere.commit(batch_.writes()); }), "unavailable ");
}

TEST_F(LedgerFaultsTest, ASessionEndedBetweenTwoCallsIsUnavailableAndOpenedAnew) {
  ledger_.check();
  run("SELECT pg_terminate_backend(" + writer("pid") + ")");
  ASSERT_TRUE(becomes_true([&] { return writer("pid").empty(); }));
  EXPECT_TRUE(commit().starts_with("unavailable"));
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, ASessionEndedInMidCopyIsUnavailable) {
  stop_on("audit.ledger_y2026m11");
  auto outcome = std::async(std::launch::async, [&] { return commit(); });
  end_writer_once_it_sleeps();
  EXPECT_EQ(outcome.get(), "unavailable 57P01");
  run("DROP TRIGGER stop ON audit.ledger_y2026m11");
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, ASessionEndedAmongTheStatementsIsUnavailableAndNotInDoubt) {
  stop_on("audit.chain_heads");
  auto outcome = std::async(std::launch::async, [&] { return commit(); });
  end_writer_once_it_sleeps();
  EXPECT_EQ(outcome.get(), "unavailable 57P01");
  run("DROP TRIGGER stop ON audit.chain_heads");
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, AServerThatDoesNotAnswerTheCopyInTimeIsUnavailableAndTicksMeanwhile) {
  stop_on("audit.ledger_y2026m11");
  auto options = database_.as("audit_writer");
  options.answer_timeout = std::chrono::milliseconds(1'500);
  int ticks = 0;
  PostgresLedger impatient(options, known_schema_version(), [&] { ++ticks; });
  EXPECT_EQ(outcome_of([&] { impatient.commit(batch_.writes()); }), "unavailable ");
  EXPECT_GE(ticks, 3);
}

TEST_F(LedgerFaultsTest, AWrongPasswordIsMisconfigured) {
  auto options = database_.as("audit_writer");
  const auto file = testing::TempDir() + "sealstream-wrong-" + value("SELECT current_database()");
  std::ofstream(file) << "not-the-password\n";
  options.password_file = file;
  PostgresLedger wrong(options, known_schema_version(), [] {});
  const auto error = error_of([&] { wrong.check(); });
  std::remove(file.c_str());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->fault(), LedgerFault::misconfigured);
  EXPECT_EQ(error->sqlstate(), "28P01");
  EXPECT_EQ(std::string(error->what()).find("not-the-password"), std::string::npos);
}

TEST_F(LedgerFaultsTest, AMissingPasswordIsMisconfigured) {
  auto options = database_.as("audit_writer");
  options.password_file = "";
  EXPECT_EQ(outcome_of([&] { PostgresLedger(options, known_schema_version(), [] {}).check(); }),
            "misconfigured 28000");
  options.password_file = "/nonexistent/password";
  const auto error = error_of([&] { PostgresLedger(options, known_schema_version(), [] {}).check(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->fault(), LedgerFault::misconfigured);
  EXPECT_STREQ(error->what(),
               "the password file /nonexistent/password cannot be read: No such file or directory");
}

TEST_F(LedgerFaultsTest, AnUnknownDatabaseIsMisconfigured) {
  auto options = database_.as("audit_writer");
  options.database = "nowhere_at_all";
  EXPECT_EQ(outcome_of([&] { PostgresLedger(options, known_schema_version(), [] {}).check(); }),
            "misconfigured 3D000");
}

TEST_F(LedgerFaultsTest, AMissingRightIsMisconfiguredAndTheCheckNamesIt) {
  run("REVOKE UPDATE ON audit.chain_heads FROM audit_writer");
  EXPECT_EQ(commit(), "misconfigured 42501");
  const auto error = error_of([&] { ledger_.check(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->fault(), LedgerFault::misconfigured);
  EXPECT_NE(std::string(error->what()).find("UPDATE on audit.chain_heads"), std::string::npos)
      << error->what();
  run("GRANT UPDATE ON audit.chain_heads TO audit_writer");
  EXPECT_EQ(outcome_of([&] { ledger_.check(); }), "nothing");
  expect_nothing_written_then_all();
}

TEST_F(LedgerFaultsTest, AMissingFunctionIsMisconfigured) {
  run("ALTER FUNCTION audit.hold RENAME TO held");
  EXPECT_EQ(commit(), "misconfigured 42883");
}

TEST_F(LedgerFaultsTest, AMissingTableOtherThanALeafIsMisconfigured) {
  run("ALTER TABLE audit.chain_heads RENAME TO heads");
  EXPECT_EQ(commit(), "misconfigured 42P01");
}

TEST_F(LedgerFaultsTest, ALeafThatMayNotBeMadeIsMisconfigured) {
  run("REVOKE EXECUTE ON FUNCTION audit.ensure_partition FROM audit_writer");
  batch_.event("acme", "e2", kNow + std::chrono::days(365));
  EXPECT_EQ(commit(), "misconfigured 42501");
}

TEST_F(LedgerFaultsTest, ALeafThatWasDetachedIsMisconfigured) {
  run("DROP TABLE audit.ledger_y2026m11; CREATE VIEW audit.ledger_y2026m11 AS SELECT 1 AS a");
  EXPECT_TRUE(commit().starts_with("misconfigured 42")) << commit();
}

TEST_F(LedgerFaultsTest, AMomentThatNoLeafHoldsIsARowsFault) {
  batch_.event("zeta", "e2", Timestamp(std::chrono::microseconds(INT64_MAX / 2)));
  EXPECT_TRUE(commit().starts_with("row 22008")) << commit();
}

}  // namespace
}  // namespace sealstream
