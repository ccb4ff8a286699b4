// Goal: whatever happened, however it was cut into batches and whoever wrote beside us, usage and keys are
// what the ledger alone says, and two lanes never deadlock over them. Method: a random history of two tenants
// in random batches; two lanes that write the same keys in opposite orders.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "postgres/read_models_fixture.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

using std::chrono::seconds;

class ReadModelsPropertyTest : public ReadModelsFixture {};

TEST_F(ReadModelsPropertyTest, RandomHistoriesInRandomBatchesEndAsTheLedgerSays) {
  constexpr unsigned kSeed = 20261125;
  std::mt19937 random(kSeed);
  const auto below = [&](int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random); };
  const auto maybe = [&](Row& row, Column column, std::string_view stem, int values = 3) {
    if (below(2) == 0) row.set_text(column, std::string(stem) + std::to_string(below(values)));
  };
  const char* const actions[] = {"created", "updated", "rotated", "revoked",     "disabled",
                                 "enabled", "expired", "used",    "auth_failed", "permission_changed"};
  const char* const types[] = {"system", "user", "service", "integration", "emergency", "other"};
  for (int batch = 0; batch < 60; ++batch) {
    for (int left = 1 + below(20); left > 0; --left) {
      const std::string tenant = "t" + std::to_string(below(2));
      const Timestamp time = kNow - seconds(below(5) * 1'000);
      if (below(3) == 0) {
        Row& row = event(tenant, "llm_call", "completed", time);
        maybe(row, Column::user_id, "u");
        maybe(row, Column::model, "m");
        if (below(4) == 0) row.set_text(Column::operation, below(2) == 0 ? "chat" : "retrieval");
        if (below(2) == 0) row.set_text(Column::usage_basis, below(2) == 0 ? "exclusive" : "inclusive");
        for (const auto column : {Column::input_tokens, Column::output_tokens, Column::total_tokens,
                                  Column::cache_read_tokens, Column::cache_write_tokens}) {
          if (below(3) > 0) row.set_int(column, below(1'000'000));
        }
        if (below(2) == 0) row.set_decimal(Column::cost_usd, "0.00000" + std::to_string(1 + below(9)));
        continue;
      }
      Row& row = event(tenant, "api_key", actions[below(10)], time);
      if (below(20) > 0) row.set_text(Column::key_id, "k" + std::to_string(below(3)));
      maybe(row, Column::key_hash, "h");
      maybe(row, Column::key_prefix, "p");
      if (below(2) == 0) row.set_text(Column::key_type, types[below(6)]);
      if (below(2) == 0) row.set_text(Column::actor_type, below(2) == 0 ? "user" : "service");
      maybe(row, Column::user_id, "u");
      maybe(row, Column::on_behalf_of, "o");
      if (below(2) == 0) row.set_ip(Column::client_ip, ip(static_cast<unsigned char>(below(200))));
      JsonObject detail, data, name, personal;
      if (below(2) == 0) detail.set("rpm_limit", std::to_string(below(100)));
      if (below(2) == 0) detail.set("permissions_after", below(2) == 0 ? "[]" : R"(["a", "b"])");
      if (below(3) == 0)
        detail.set("expires_at", "\"2027-01-0" + std::to_string(1 + below(9)) + "T00:00:00+01:00\"");
      if (below(3) == 0)
        detail.set("grace_period_end", "\"2026-12-0" + std::to_string(1 + below(9)) + "T00:00:00Z\"");
      if (below(3) == 0) data.set("rotation_reason", "\"r" + std::to_string(below(5)) + "\"");
      if (below(3) == 0) name.set("name", "\"n" + std::to_string(below(5)) + "\"");
      if (!name.empty()) data.set("key", std::move(name).text());
      if (!data.empty()) personal.set("data", std::move(data).text());
      if (!detail.empty()) row.set_json(Column::detail, std::move(detail).text());
      if (!personal.empty()) row.set_json(Column::personal_detail, std::move(personal).text());
    }
    commit();
    ASSERT_FALSE(HasFailure()) << "batch " << batch << " of seed " << kSeed;
  }
  EXPECT_EQ(value("SELECT count(*) || ' ' || (count(DISTINCT status) > 2) FROM audit.api_keys"), "6 true");
}

/// Commits batches of one call and one event of each key, in this order, to the chains of two tenants that
/// another lane writes too.
class Rival {
 public:
  Rival(PostgresLedger ledger, std::int32_t number, bool reversed)
      : ledger_(std::move(ledger)), id_(partition(number)), reversed_(reversed) {}

  void run(int batches) {
    for (int batch = 0; batch < batches;) {
      try {
        commit();
        ++batch;
      } catch (const LedgerError& error) {
        if (error.fault() != LedgerFault::head_conflict) throw;
      }
    }
  }

 private:
  void commit() {
    TestBatch batch(id_, ledger_.claim(id_, "rival", Offset(0)).value());
    std::vector<std::string_view> tenants = {"acme", "zeta"};
    const auto prepared = ledger_.prepare(tenants, {});
    for (std::size_t i = 0; i < tenants.size(); ++i) batch.after(tenants[i], prepared.chains[i].head);
    for (int i = 0; i < 20; ++i) {
      const int number = reversed_ ? 19 - i : i;
      const auto tenant = tenants[static_cast<std::size_t>(number % 2)];
      const auto name = "k" + std::to_string(number);
      for (const auto& [family, action] : {std::pair{"llm_call", "completed"}, std::pair{"api_key", "used"},
                                           std::pair{"api_key", "updated"}}) {
        Row& row =
            batch.event(tenant, std::to_string(id_.partition.value()) + "-" + std::to_string(events_++));
        row.set_text(Column::family, family);
        row.set_text(Column::action, action);
        row.set_text(Column::key_id, name);
        row.set_text(Column::model, name);
        row.set_text(Column::key_prefix, name);
      }
    }
    ledger_.commit(batch.writes());
  }

  PostgresLedger ledger_;
  PartitionId id_;
  bool reversed_;
  int events_ = 0;
};

TEST_F(ReadModelsPropertyTest, TwoLanesWithTheSameKeysInOtherOrdersNeverDeadlock) {
  std::string fault;
  const auto rival = [&](std::int32_t number, bool reversed) {
    return std::thread([this, number, reversed, &fault] {
      try {
        Rival(PostgresLedger(database_.as("audit_writer"), known_schema_version(), [] {}), number, reversed)
            .run(40);
      } catch (const std::exception& error) {
        fault += error.what();  // both threads may: then the test has failed anyhow
      }
    });
  };
  auto one = rival(0, false);
  auto two = rival(1, true);
  one.join();
  two.join();
  EXPECT_EQ(fault, "");
  EXPECT_EQ(value("SELECT sum(requests) FROM audit.usage_records"), "1600");
  EXPECT_EQ(value("SELECT sum(usage_count) FROM audit.api_keys"), "1600");
  expect_views();
}

}  // namespace
}  // namespace sealstream
