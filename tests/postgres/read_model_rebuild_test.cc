// Goal: a rebuild and batches of the same tenant wait for one another, other tenants go on, and both leave
// what the ledger says. Method: sessions of audit_writer that hold what a batch holds, while a rebuild runs
// on a thread of its own.
#include "postgres/read_model_rebuild.h"

#include <gtest/gtest.h>

#include <future>

#include "app/read_model_report.h"
#include "postgres/eventually.h"
#include "postgres/raw_session.h"
#include "postgres/read_model_ledger.h"

namespace sealstream {
namespace {

class ReadModelRebuildTest : public testing::Test {
 protected:
  std::future<std::vector<RebuiltTable>> start_rebuild(const RebuildOptions& options) {
    return std::async(std::launch::async, [this, options] { return ledger_.rebuild(options); });
  }

  bool rebuild_waits_for_a_lock() {
    return becomes_true([this] {
      return ledger_.value(
                 "SELECT count(*) FROM pg_stat_activity WHERE usename = 'audit_rebuilder'"
                 " AND datname = current_database() AND wait_event_type = 'Lock'") == "1";
    });
  }

  ReadModelLedger ledger_;
};

/// What a batch with one more row of the tenant has done before it writes read models: a copy of one row of
/// the chain, two days later.
void hold_batch(RawSession& batch, const std::string& copied) {
  batch.run(
      "CREATE TEMPORARY TABLE copied AS SELECT * FROM audit.ledger_y2026m11 WHERE tenant_id = 'acme' AND " +
      copied + " LIMIT 1");
  batch.run(
      "UPDATE copied SET seq = h.seq + 1, event_id = 'late ' || h.seq, kafka_offset = h.seq + 1,"
      " event_time = h.recorded_at + interval '2 days', recorded_at = h.recorded_at + interval '2 days'"
      " FROM audit.chain_heads AS h WHERE h.tenant_id = 'acme'");
  batch.run(
      "BEGIN; INSERT INTO audit.ledger_y2026m11 TABLE copied;"
      "UPDATE audit.chain_heads SET seq = seq + 1, recorded_at = recorded_at + interval '2 days'"
      " WHERE tenant_id = 'acme'");
}

TEST_F(ReadModelRebuildTest, ABatchThatHoldsTheHeadIsWaitedForAndItsRowsCount) {
  const std::pair<ReadModel, const char*> cases[] = {
      {ReadModel::usage_records, "family = 'llm_call'"},
      {ReadModel::api_keys, "action = 'used'"},
      {ReadModel::api_key_anomalies, "action = 'auth_failed'"}};
  for (const auto& [model, copied] : cases) {
    SCOPED_TRACE(name(model));
    RawSession batch(ledger_.as("audit_writer"));
    hold_batch(batch, copied);
    auto rebuild = start_rebuild({.tenant = "acme", .model = model});
    ASSERT_TRUE(rebuild_waits_for_a_lock());
    EXPECT_EQ(ledger_.rebuild({.tenant = "beta"}).size(), read_model_tables().size()) << "beta does not wait";
    batch.run("COMMIT");
    rebuild.get();
    EXPECT_EQ(ledger_.check({.model = model}).difference_count(), 0);
  }
}

TEST_F(ReadModelRebuildTest, AnErasureThatIsWaitedForIsNotUndone) {
  const std::string anomalies =
      "SELECT count(*) FROM audit.api_key_anomalies WHERE num_nonnulls(user_id, ip_address) > 0";
  ASSERT_NE(ledger_.value(anomalies), "0");
  RawSession eraser(ledger_.as("audit_eraser"));
  eraser.run("BEGIN; " + ledger_.erase_sql("user_id <> 'dpo' OR client_ip IS NOT NULL"));
  auto rebuild = start_rebuild({.tenant = "acme", .model = ReadModel::api_key_anomalies});
  ASSERT_TRUE(rebuild_waits_for_a_lock());
  eraser.run("COMMIT");
  rebuild.get();
  EXPECT_EQ(ledger_.value(anomalies), "0");
  const ReadModelCheck check = ledger_.check();
  EXPECT_EQ(check.difference_count(), 0) << read_model_text(check);
}

TEST_F(ReadModelRebuildTest, OnlyBatchesOfTheTenantThatIsRebuiltWait) {
  RawSession other(ledger_.as("audit_rebuilder"));  // holds the rebuild up in the middle
  other.run("BEGIN; UPDATE audit.usage_records SET requests = requests + 1 WHERE tenant_id = 'acme'");
  auto rebuild = start_rebuild({.tenant = "acme", .model = ReadModel::usage_records});
  ASSERT_TRUE(rebuild_waits_for_a_lock());
  RawSession batch(ledger_.as("audit_writer"));
  batch.run("SET lock_timeout = '50ms'");
  batch.run("UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'beta'");
  EXPECT_THROW(batch.run("UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'acme'"),
               std::runtime_error);
  other.run("COMMIT");
  EXPECT_EQ(rebuild.get().at(0).changed, 2);
  batch.run("UPDATE audit.chain_heads SET events = events WHERE tenant_id = 'acme'");
  EXPECT_EQ(ledger_.check().difference_count(), 0);
}

}  // namespace
}  // namespace sealstream
