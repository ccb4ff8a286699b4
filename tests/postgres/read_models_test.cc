// Goal: a commit writes usage and keys with its rows, as schemas/read-models.md says, however the rows were
// cut into batches; and what a read model refuses is a fault of a row. Method: batches through the real
// server as audit_writer; tables against literal rows, and after every commit against the views that compute
// them from the ledger alone.
#include <gtest/gtest.h>

#include "postgres/read_models_fixture.h"

namespace sealstream {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::seconds;

class ReadModelsTest : public ReadModelsFixture {};

TEST_F(ReadModelsTest, ABatchWithoutCallsAndKeysWritesNoReadModel) {
  event("acme", "admin", "update");
  event("acme", "api_key", "auth_failed");
  key("auth_failed");
  begin().refused("acme");
  commit();
  EXPECT_EQ(usage("model"), "");
  EXPECT_EQ(value("SELECT count(*) FROM audit.api_keys"), "0");
}

TEST_F(ReadModelsTest, ReadModelsAreWrittenInTheTransactionOfTheirRows) {
  call();
  key("created");
  key("used", kNow, "other");
  commit();
  EXPECT_EQ(
      value("SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM audit.ledger UNION ALL SELECT xmin"
            " FROM audit.usage_records UNION ALL SELECT xmin FROM audit.api_keys) AS x"),
      "1");
}

TEST_F(ReadModelsTest, UsageAddsUpOverBatchesByKeyAndHour) {
  call().set_int(Column::input_tokens, 5);
  call(kNow + hours(1) - microseconds(1)).set_int(Column::input_tokens, 6);
  call(kNow + hours(1)).set_int(Column::input_tokens, 7);
  commit();
  call().set_int(Column::input_tokens, 20);
  call().set_text(Column::status, "failure");
  call().set_text(Column::user_id, "u");
  Row& full = call();
  full.set_text(Column::department_id, "d");
  full.set_text(Column::user_id, "v");
  full.set_text(Column::provider, "p");
  full.set_text(Column::route, "r");
  commit();
  EXPECT_EQ(usage("to_char(time_bucket, 'HH24:MI'), requests, errors, input_tokens, department_id, user_id,"
                  " provider, model, route"),
            "18:00 4 1 31    m ; 19:00 1 0 7    m ; 18:00 1 0 0  u  m ; 18:00 1 0 0 d v p m r");
}

TEST_F(ReadModelsTest, TheBasisIsHonouredAndWhatRepeatsItsChildrenIsNot) {
  for (const char* basis : {"exclusive", "inclusive"}) {
    Row& row = call();
    row.set_text(Column::model, basis);
    row.set_text(Column::usage_basis, basis);
    row.set_int(Column::input_tokens, 100);
    row.set_int(Column::output_tokens, 10);
    row.set_int(Column::total_tokens, 110);
    row.set_int(Column::cache_read_tokens, 1'000);
    row.set_int(Column::cache_write_tokens, 10'000);
    row.set_int(Column::reasoning_tokens, 3);
  }
  Row& embeddings = call();
  embeddings.set_text(Column::operation, "embeddings");
  embeddings.set_int(Column::input_tokens, 8);
  embeddings.set_int(Column::total_tokens, 8);
  for (const char* operation :
       {"create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "retrieval"}) {
    Row& row = call();
    row.set_text(Column::operation, operation);
    row.set_int(Column::input_tokens, 999);
  }
  commit();
  EXPECT_EQ(usage("model, requests, input_tokens, output_tokens, total_tokens, cache_read_tokens,"
                  " cache_write_tokens, reasoning_tokens, cost_usd"),
            "exclusive 1 11100 10 11110 1000 10000 3 0; inclusive 1 100 10 110 1000 10000 3 0;"
            " m 1 8 0 8 0 0 0 0");
}

TEST_F(ReadModelsTest, DecimalsAreExactAndSumsHaveNoBound) {
  for (int batch = 0; batch < 2; ++batch) {
    for (int i = 0; i < 2'000; ++i) {
      Row& row = call();
      row.set_decimal(Column::cost_usd, "0.000000000001");
      row.set_int(Column::input_tokens, (std::int64_t{1} << 53) - 1);
      row.set_int(Column::cache_read_tokens, (std::int64_t{1} << 53) - 1);
      row.set_text(Column::usage_basis, "exclusive");
    }
    call().set_decimal(Column::cost_usd, "1000000");
    commit();
  }
  // 2 · 4,000 · (2^53 − 1)
  EXPECT_EQ(usage("cost_usd, input_tokens"), "2000000.000000004 72057594037927928000");
}

TEST_F(ReadModelsTest, EveryNumberOf128BitsIsSentAsItIs) {
  const char* costs[] = {"0",          "0.1",          "0.0001",     "0.00012",          "1.000000000001",
                         "9999.9999",  "10000.0001",   "123456.789", "0.123456789012",   "1000000",
                         "0.00000001", "99999999.999", "-0.5",       "-1234567.00000012"};
  for (const char* cost : costs) {
    Row& row = call();
    row.set_text(Column::model, cost);
    row.set_decimal(Column::cost_usd, cost);
    row.set_int(Column::input_tokens, INT64_MIN);
    row.set_int(Column::output_tokens, INT64_MAX);
    row.set_int(Column::total_tokens, 10'000);
    row.set_int(Column::reasoning_tokens, 99'990'000);
  }
  commit();
  EXPECT_EQ(
      value("SELECT coalesce(string_agg(model || ' is ' || cost_usd, ', '), '') FROM audit.usage_records"
            " WHERE cost_usd::text <> model OR numeric_send(cost_usd) <> numeric_send(model::numeric)"),
      "");
  EXPECT_EQ(
      value("SELECT DISTINCT concat_ws(' ', input_tokens, output_tokens, total_tokens, reasoning_tokens)"
            " FROM audit.usage_records"),
      "-9223372036854775808 9223372036854775807 10000 99990000");
}

TEST_F(ReadModelsTest, AKeyLivesThroughAllItsEvents) {
  Row& created = key("created", kNow);
  created.set_text(Column::key_hash, "h");
  created.set_text(Column::key_prefix, "muser_ab");
  created.set_text(Column::key_type, "user");
  created.set_text(Column::actor_type, "user");
  created.set_text(Column::user_id, "u-1");
  created.set_json(Column::detail, R"({"rpm_limit": 60, "permissions_after": ["read", ""]})");
  created.set_json(Column::personal_detail, R"({"data": {"key": {"name": "ci"}}})");
  commit();
  EXPECT_EQ(of_key("key_hash key_prefix key_name key_type user_id service permissions rpm_limit status"),
            "h muser_ab ci user u-1 - {read,\"\"} 60 active");
  EXPECT_EQ(of_key("created_at expires_at grace_period_end rotation_required usage_count last_used_at"),
            "2026-11-22 18:00:00+00 2027-02-20 18:00:00+00 - false 0 -");
  Row& used = key("used", kNow + seconds(1));
  used.set_ip(Column::client_ip, ip(1));
  used.set_text(Column::key_type, "system");
  key("permission_changed", kNow + seconds(2)).set_json(Column::detail, R"({"permissions_after": []})");
  key("updated", kNow + seconds(3))
      .set_json(Column::personal_detail, R"({"data": {"rotation_reason": "leak"}})");
  commit();
  EXPECT_EQ(
      of_key("usage_count last_used_at last_used_ip key_type permissions rotation_required rotation_reason"),
      "1 2026-11-22 18:00:01+00 192.0.2.1/32 user {} true leak");
  const std::pair<const char*, const char*> steps[] = {{"disabled", "disabled"}, {"enabled", "active"},
                                                       {"rotated", "grace"},     {"expired", "expired"},
                                                       {"revoked", "revoked"},   {"updated", "revoked"}};
  int second = 4;
  for (const auto& [action, status] : steps) {
    key(action, kNow + seconds(second++));
    commit();
    EXPECT_EQ(of_key("status"), status) << action;
  }
  EXPECT_EQ(of_key("rotated_at grace_period_end rotation_required rotation_reason"),
            "2026-11-22 18:00:06+00 2026-11-23 18:00:06+00 false -");
}

TEST_F(ReadModelsTest, AnOlderEventTurnsNothingBackAndFillsWhatNothingNewerSaid) {
  Row& newer = key("updated", kNow);
  newer.set_text(Column::key_type, "service");
  newer.set_json(Column::detail, R"({"rpm_limit": 5})");
  key("revoked", kNow);
  commit();
  Row& older = key("created", kNow - hours(1));
  older.set_text(Column::key_type, "user");
  older.set_text(Column::key_prefix, "p");
  older.set_json(Column::detail, R"({"rpm_limit": 7, "permissions_after": ["x"]})");
  older.set_text(Column::actor_type, "service");
  older.set_text(Column::user_id, "billing");
  commit();
  EXPECT_EQ(
      of_key("key_type rpm_limit status key_prefix permissions user_id service created_at rotation_required"),
      "service 5 revoked p {x} - billing 2026-11-22 17:00:00+00 false");
}

TEST_F(ReadModelsTest, OfEqualTimesTheLaterRowWinsInOneBatchAndInTwo) {
  key("disabled").set_text(Column::key_prefix, "a");
  key("enabled").set_text(Column::key_prefix, "b");
  commit();
  EXPECT_EQ(of_key("status key_prefix"), "active b");
  key("revoked").set_text(Column::key_prefix, "c");
  commit();
  EXPECT_EQ(of_key("status key_prefix"), "revoked c");
  for (const unsigned char last : {1, 2}) {
    key("used").set_ip(Column::client_ip, ip(last));
    commit();
    EXPECT_EQ(of_key("last_used_ip"), "192.0.2." + std::to_string(last) + "/32");
  }
  key("used");
  commit();
  EXPECT_EQ(of_key("last_used_ip usage_count"), "- 3");
  key("used", kNow - seconds(1)).set_ip(Column::client_ip, ip(9));
  commit();
  EXPECT_EQ(of_key("last_used_ip usage_count"), "- 4");
}

TEST_F(ReadModelsTest, UseSaysWhatNothingElseDoesAndTheFirstOneAtThat) {
  key("used", kNow).set_text(Column::key_type, "emergency");
  commit();
  Row& second = key("used", kNow - seconds(1));
  second.set_text(Column::key_type, "user");
  second.set_text(Column::key_hash, "second");
  commit();
  EXPECT_EQ(of_key("key_type key_hash key_type_at key_hash_at status status_at"),
            "emergency second - - active -");
  key("disabled", kNow - hours(9)).set_text(Column::key_hash, "said");
  key("used", kNow + seconds(1)).set_text(Column::key_hash, "fourth");
  commit();
  EXPECT_EQ(of_key("key_type key_hash key_hash_at"), "emergency said 2026-11-22 09:00:00+00");
}

TEST_F(ReadModelsTest, TheOwnerIsWhomTheLatestCreatedEventNames) {
  Row& agent = key("created", kNow);
  agent.set_text(Column::actor_type, "service");
  agent.set_text(Column::user_id, "portal");
  agent.set_text(Column::on_behalf_of, "u-7");
  key("updated", kNow + seconds(1)).set_text(Column::on_behalf_of, "u-8");
  commit();
  EXPECT_EQ(of_key("user_id service"), "u-7 portal");
  Row& later = key("created", kNow + seconds(2));
  later.set_text(Column::actor_type, "user");
  later.set_text(Column::user_id, "u-9");
  commit();
  EXPECT_EQ(of_key("user_id service"), "u-9 -");
  Row& earlier = key("created", kNow + seconds(1));
  earlier.set_text(Column::actor_type, "service");
  earlier.set_text(Column::user_id, "portal");
  commit();
  EXPECT_EQ(of_key("user_id service"), "u-9 -");
  key("created", kNow + seconds(3)).set_text(Column::actor_type, "anonymous");
  commit();
  EXPECT_EQ(of_key("user_id service created_at"), "- - 2026-11-22 18:00:03+00");
}

TEST_F(ReadModelsTest, LifeAndGraceFollowTheTypeUnlessAnEventGivesThem) {
  const std::pair<const char*, const char*> types[] = {{"system", "8760 72"},
                                                       {"user", "2160 24"},
                                                       {"service", "4320 48"},
                                                       {"integration", "720 24"},
                                                       {"emergency", "24 0"},
                                                       {"other", "- 24"},
                                                       {"", "- 24"}};
  for (const auto& [type, expected] : types) {
    key("created").set_text(Column::key_type, type);
    key("rotated");
    commit();
    EXPECT_EQ(
        value(
            "SELECT concat_ws(' ', coalesce((extract(epoch FROM expires_at - created_at)::int / 3600)::text,"
            " '-'), extract(epoch FROM grace_period_end - rotated_at)::int / 3600) FROM audit.api_keys"),
        expected)
        << type;
  }
  key("updated").set_json(Column::detail, R"({"expires_at": "2026-12-01T00:00:00.1234567-23:59"})");
  key("rotated").set_json(
      Column::detail,
      R"({"expires_at": "2030-01-01T00:00:00Z", "grace_period_end": "2026-11-30T00:00:00+05:30"})");
  commit();
  EXPECT_EQ(of_key("expires_at grace_period_end"), "2026-12-01 23:59:00.123456+00 2026-11-29 18:30:00+00");
  key("rotated");
  commit();
  EXPECT_EQ(of_key("expires_at grace_period_end"), "2026-12-01 23:59:00.123456+00 2026-11-23 18:00:00+00");
}

TEST_F(ReadModelsTest, TheStatusIsRightInTheViewWithoutAnyoneWriting) {
  const Timestamp now = std::chrono::floor<microseconds>(std::chrono::system_clock::now());
  key("created", now - hours(25)).set_text(Column::key_type, "emergency");
  commit();
  EXPECT_EQ(of_key("status") + " " + of_key("status", "api_keys_current"), "active expired");
  key("created", now - hours(23)).set_text(Column::key_type, "emergency");
  commit();
  EXPECT_EQ(of_key("status", "api_keys_current"), "active");
  key("rotated", now - hours(22));
  commit();
  EXPECT_EQ(of_key("status") + " " + of_key("status", "api_keys_current"), "grace expired");
}

TEST_F(ReadModelsTest, WhatOnlyAReadModelRefusesIsTheFaultOfARowAndWritesNothing) {
  run("CREATE FUNCTION public.overflow() RETURNS trigger LANGUAGE plpgsql AS"
      " $$ BEGIN RAISE numeric_value_out_of_range; END $$;"
      "CREATE TRIGGER overflow BEFORE INSERT ON audit.usage_records FOR EACH ROW EXECUTE FUNCTION"
      " public.overflow()");
  call();
  EXPECT_EQ(outcome_of([&] { ledger_.commit(batch_->writes()); }), "row 22003");
  EXPECT_EQ(ledger_rows(), "0");
}

TEST_F(ReadModelsTest, ACheckOfAReadModelIsOursAndWritesNothing) {
  run("ALTER TABLE audit.api_keys ADD CONSTRAINT api_keys_key_id_check CHECK (key_id <> 'k')");
  key("used");
  EXPECT_EQ(outcome_of([&] { ledger_.commit(batch_->writes()); }), "ours 23514");
  EXPECT_EQ(ledger_rows(), "0");
}

TEST_F(ReadModelsTest, CheckNamesARightThatIsMissing) {
  run("REVOKE UPDATE ON audit.usage_records FROM audit_writer");
  const auto error = error_of([&] { ledger_.check(); });
  ASSERT_TRUE(error);
  EXPECT_NE(std::string(error->what()).find("UPDATE on audit.usage_records"), std::string::npos)
      << error->what();
}

}  // namespace
}  // namespace sealstream
