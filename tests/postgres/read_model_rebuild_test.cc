// Goal: a rebuild computes while batches of the tenant go on, holds them up only to write what differs, and
// leaves what the ledger says whatever came between; no value that is erased meanwhile comes back. Method:
// sessions that hold what a batch or an erasure holds, while a rebuild runs on a thread of its own.
#include "postgres/read_model_rebuild.h"

#include <gtest/gtest.h>

#include <future>

#include "app/read_model_report.h"
#include "postgres/eventually.h"
#include "postgres/raw_session.h"
#include "postgres/read_model_ledger.h"

namespace sealstream {
namespace {

/// Some of what stands in this read model is gone, some is another, and misleads what later batches derive.
const char* spoil_sql(ReadModel model) {
  switch (model) {
    case ReadModel::usage_records:
      return "DELETE FROM audit.usage_records WHERE user_id = 'u-1';"
             "UPDATE audit.usage_records SET requests = requests + 100";
    case ReadModel::api_keys:
      return "DELETE FROM audit.api_keys WHERE key_id = 'k-2'; UPDATE audit.api_keys SET usage_count = 99";
    case ReadModel::api_key_anomalies:
      return "DELETE FROM audit.api_key_anomalies WHERE anomaly_type = 'high_request_rate';"
             "DELETE FROM audit.api_key_attempts WHERE seq % 2 = 0; DELETE FROM audit.api_key_seen;"
             "UPDATE audit.api_key_anomalies SET severity = 'low';"
             "UPDATE audit.api_key_activity SET requests = requests + 1000, key_type = 'system'";
  }
  return "";
}

/// A batch of acme with three more rows of its chain, which has done everything but COMMIT: calls in an hour
/// that has some already, or events of a key on the three days that follow.
class Batch {
 public:
  Batch(ReadModelLedger& ledger, ReadModel model) : session_(ledger.value("SELECT current_database()")) {
    session_.run("SET session_replication_role = replica; SET TimeZone = 'UTC'");
    session_.run(
        "CREATE TEMPORARY TABLE copied AS SELECT one.*, n FROM generate_series(1, 3) AS n, "
        "(SELECT * FROM audit.ledger_y2026m11 WHERE tenant_id = 'acme' AND " +
        copied(model) + " ORDER BY seq LIMIT 1) AS one");
    session_.run(
        "UPDATE copied SET seq = h.seq + n, event_id = 'late ' || h.seq + n, kafka_offset = h.seq + n,"
        " event_time = CASE family WHEN 'llm_call' THEN event_time ELSE h.recorded_at + n * interval '1 day' "
        "END,"
        " recorded_at = h.recorded_at + n * interval '1 day' FROM audit.chain_heads AS h WHERE h.tenant_id = "
        "'acme';"
        "ALTER TABLE copied DROP COLUMN n");
    session_.run(
        "BEGIN; INSERT INTO audit.ledger_y2026m11 TABLE copied;"
        "UPDATE audit.chain_heads SET seq = seq + 3, recorded_at = recorded_at + interval '3 days'"
        " WHERE tenant_id = 'acme'");
    session_.run(derive_sql(model));
  }

  void commit() { session_.run("COMMIT"); }

 private:
  static std::string copied(ReadModel model) {
    switch (model) {
      case ReadModel::usage_records:
        return "family = 'llm_call'";
      case ReadModel::api_keys:
        return "action = 'used'";
      case ReadModel::api_key_anomalies:
        return "action = 'auth_failed'";
    }
    return "";
  }

  static std::string derive_sql(ReadModel model) {
    switch (model) {
      case ReadModel::usage_records:
        return "UPDATE audit.usage_records SET requests = requests + 3 WHERE tenant_id = 'acme' AND user_id "
               "= 'u-0'";
      case ReadModel::api_keys:
        return "UPDATE audit.api_keys SET usage_count = usage_count + 3 WHERE tenant_id = 'acme' AND key_id "
               "= 'k-1'";
      case ReadModel::api_key_anomalies:
        return "SELECT audit.judge_key_windows('{audit.ledger}', array_agg('acme'::text), "
               "array_agg(from_minute ORDER BY seq),"
               " array_agg(to_minute ORDER BY seq), array_agg(seq ORDER BY seq)) FROM "
               "audit.key_window_steps('acme')"
               " WHERE seq IN (SELECT seq FROM copied)";
    }
    return "";
  }

  SuperuserSession session_;
};

class ReadModelRebuildTest : public testing::Test {
 protected:
  std::future<std::vector<RebuiltTable>> start_rebuild(const RebuildOptions& options) {
    return std::async(std::launch::async, [this, options] { return ledger_.rebuild(options); });
  }

  bool waits_for_a_lock(const std::string& role, const std::string& sessions = "1") {
    return becomes_true([&] {
      return ledger_.value("SELECT count(*) FROM pg_stat_activity WHERE usename = '" + role +
                           "' AND datname = current_database() AND wait_event_type = 'Lock'") == sessions;
    });
  }

  void expect_equal(const ReadModelCheckOptions& options = {}) {
    const ReadModelCheck check = ledger_.check(options);
    EXPECT_EQ(check.difference_count(), 0) << read_model_text(check);
  }

  ReadModelLedger ledger_;
};

class EachModelRebuildTest : public ReadModelRebuildTest, public testing::WithParamInterface<ReadModel> {};

TEST_P(EachModelRebuildTest, ABatchThatCommitsBetweenLookingAndWritingCounts) {
  ledger_.run(spoil_sql(GetParam()));
  Batch batch(ledger_, GetParam());
  auto rebuild = start_rebuild({.tenant = "acme", .model = GetParam()});
  ASSERT_TRUE(waits_for_a_lock("audit_rebuilder"));
  ledger_.rebuild({.tenant = "beta"});  // does not wait
  batch.commit();
  EXPECT_GT(rebuild.get().at(0).changed, 0);
  expect_equal({.model = GetParam()});
}

TEST_P(EachModelRebuildTest, WhatIsRightAlreadyIsReadWithoutALock) {
  Batch batch(ledger_, GetParam());
  for (const RebuiltTable& table : ledger_.rebuild({.model = GetParam()})) {
    EXPECT_EQ(table.added + table.changed + table.removed, 0) << table.table->name;
  }
}

TEST_P(EachModelRebuildTest, AnErasureWaitsAndTakesWhatWasPutBackMeanwhile) {
  for (const ReadModelTable& table : read_model_tables()) {
    if (table.model == GetParam()) ledger_.run("DELETE FROM audit." + std::string(table.name));
  }
  auto batch = std::make_unique<SuperuserSession>(ledger_.value("SELECT current_database()"));
  batch->run("BEGIN; UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'acme'");
  const std::string erase = ledger_.erase_sql("user_id <> 'dpo' OR client_ip IS NOT NULL");
  auto erasure = std::async(std::launch::async, [&] { RawSession(ledger_.as("audit_eraser")).run(erase); });
  ASSERT_TRUE(waits_for_a_lock("audit_eraser"));  // before the rebuild
  auto rebuild = start_rebuild({.tenant = "acme", .model = GetParam()});
  ASSERT_TRUE(waits_for_a_lock("audit_rebuilder"));
  batch->run("COMMIT");
  const RebuiltTable rebuilt = rebuild.get().at(0);
  EXPECT_GT(rebuilt.added, 0);
  erasure.get();
  EXPECT_EQ(ledger_.value(
                "SELECT (SELECT count(*) FROM audit.usage_records WHERE tenant_id = 'acme' AND user_id <> '')"
                " + (SELECT count(num_nonnulls(user_id, service, key_name, last_used_ip) > 0 OR NULL)"
                " FROM audit.api_keys) + (SELECT count(num_nonnulls(user_id, ip_address) > 0 OR NULL)"
                " FROM audit.api_key_anomalies) + (SELECT count(num_nonnulls(user_id, client_ip) > 0 OR NULL)"
                " FROM audit.api_key_attempts)"),
            "0");
  expect_equal({.tenant = "acme"});
}

TEST_P(EachModelRebuildTest, OfTwoAtTheSameTimeOneWritesEachRow) {
  ledger_.run(spoil_sql(GetParam()));
  const std::int64_t differences = ledger_.check({.tenant = "acme", .model = GetParam()}).difference_count();
  SuperuserSession batch(ledger_.value("SELECT current_database()"));
  batch.run("BEGIN; UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'acme'");
  auto one = start_rebuild({.tenant = "acme", .model = GetParam()});
  auto other = start_rebuild({.tenant = "acme", .model = GetParam()});
  ASSERT_TRUE(waits_for_a_lock("audit_rebuilder", "2"));
  batch.run("COMMIT");
  std::int64_t written = 0;
  for (auto* rebuild : {&one, &other}) {
    for (const RebuiltTable& table : rebuild->get()) written += table.added + table.changed + table.removed;
  }
  EXPECT_EQ(written, differences);
  expect_equal({.tenant = "acme", .model = GetParam()});
}

INSTANTIATE_TEST_SUITE_P(Models, EachModelRebuildTest, testing::ValuesIn(kReadModels),
                         [](const auto& model) { return std::string(name(model.param)); });

TEST_F(ReadModelRebuildTest, AnErasureThatIsWaitedForIsNotUndone) {
  const std::string anomalies =
      "SELECT count(*) FROM audit.api_key_anomalies WHERE num_nonnulls(user_id, ip_address) > 0";
  ASSERT_NE(ledger_.value(anomalies), "0");
  RawSession eraser(ledger_.as("audit_eraser"));
  eraser.run("BEGIN; " + ledger_.erase_sql("user_id <> 'dpo' OR client_ip IS NOT NULL"));
  auto rebuild = start_rebuild({.tenant = "acme", .model = ReadModel::api_key_anomalies});
  ASSERT_TRUE(waits_for_a_lock("audit_rebuilder"));
  eraser.run("COMMIT");
  rebuild.get();
  EXPECT_EQ(ledger_.value(anomalies), "0");
  expect_equal();
}

TEST_F(ReadModelRebuildTest, WhileItComputesBatchesGoOnAndAnErasureWaits) {
  SuperuserSession other(ledger_.value("SELECT current_database()"));
  other.run("BEGIN; LOCK TABLE audit.api_key_thresholds");  // which windows are judged by
  auto rebuild = start_rebuild({.tenant = "acme", .model = ReadModel::api_key_anomalies});
  ASSERT_TRUE(waits_for_a_lock("audit_rebuilder"));
  const std::string erase = ledger_.erase_sql("action = 'used'");
  auto erasure = std::async(std::launch::async, [&] { RawSession(ledger_.as("audit_eraser")).run(erase); });
  ASSERT_TRUE(waits_for_a_lock("audit_eraser"));
  RawSession batch(ledger_.as("audit_writer"));
  batch.run("SET lock_timeout = '50ms'");
  for (int i = 0; i < 3; ++i)
    batch.run("UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'acme'");
  other.run("ROLLBACK");
  rebuild.get();
  erasure.get();
  expect_equal();
}

TEST_F(ReadModelRebuildTest, OnlyBatchesOfTheTenantThatIsRebuiltWait) {
  ledger_.run("UPDATE audit.usage_records SET requests = requests + 1 WHERE tenant_id = 'acme'");
  RawSession other(ledger_.as("audit_rebuilder"));  // holds the rebuild up in the middle
  other.run("BEGIN; SELECT FROM audit.usage_records WHERE tenant_id = 'acme' FOR UPDATE");
  auto rebuild = start_rebuild({.tenant = "acme", .model = ReadModel::usage_records});
  ASSERT_TRUE(waits_for_a_lock("audit_rebuilder"));
  RawSession batch(ledger_.as("audit_writer"));
  batch.run("SET lock_timeout = '50ms'");
  batch.run("UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'beta'");
  EXPECT_THROW(batch.run("UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'acme'"),
               std::runtime_error);
  other.run("COMMIT");
  EXPECT_EQ(rebuild.get().at(0).changed, 2);
  batch.run("UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'acme'");
  expect_equal();
}

TEST_F(ReadModelRebuildTest, ARowThatWasNotWrittenIsLookedAtAgain) {
  ledger_.run(
      "UPDATE audit.usage_records SET requests = requests + 1 WHERE tenant_id = 'acme' AND user_id = 'u-0';"
      "SET session_replication_role = origin; CREATE SEQUENCE public.times;"
      "CREATE FUNCTION public.skip() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
      " 'BEGIN RETURN CASE WHEN nextval(''public.times'') > 3 THEN NEW END; END';"
      "CREATE TRIGGER skip BEFORE UPDATE ON audit.usage_records FOR EACH ROW EXECUTE FUNCTION public.skip()");
  EXPECT_EQ(ledger_.rebuild({.model = ReadModel::usage_records}).at(0).changed, 1);
  EXPECT_EQ(ledger_.value("SELECT last_value FROM public.times"), "4");
  expect_equal();
}

}  // namespace
}  // namespace sealstream
