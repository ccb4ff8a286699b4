#include "postgres/read_model_ledger.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

constexpr std::int64_t kBegin = 1'793'606'400;  // 2026-11-02 08:00:00 UTC
constexpr const char* kResolved = "anomaly_type = 'brute_force' AND subject = 'user'";

std::string ip4(int last) { return std::string("\2\x20\0\4\xC0\0\2", 7) + static_cast<char>(last); }

}  // namespace

ReadModelLedger::ReadModelLedger() {
  append_usage("acme");
  append_usage("beta");
  append_keys();
  append_attack();
  append("acme", 150, row("auth", "login", "u-9"));  // closes every window but the day
  append("acme", 2900, row("auth", "login", "u-9"));
  rebuild({.tenant = "acme"});  // to know the id of the anomaly
  append_resolution();
  append_erasure();
  sealed_.finish();
  rebuild();
}

ReadModelCheck ReadModelLedger::check(const ReadModelCheckOptions& options) {
  Connection connection(as("audit_auditor"), [] {});
  return check_read_models(connection, options);
}

std::vector<RebuiltTable> ReadModelLedger::rebuild(const RebuildOptions& options) {
  Connection connection(as("audit_rebuilder"), [] {});
  return rebuild_read_models(connection, options, [](const RebuildStep&) {});
}

Row ReadModelLedger::row(const std::string& family, const std::string& action, const std::string& user) {
  Row row;
  row.set_text(Column::family, family);
  row.set_text(Column::action, action);
  row.set_int(Column::schema_version, 1);
  row.set_int(Column::rules_version, 1);
  row.set_text(Column::source, "test");
  row.set_text(Column::status, "success");
  row.set_text(Column::actor_type, "user");
  row.set_text(Column::user_id, user);
  return row;
}

Seq ReadModelLedger::append(const std::string& tenant, int minute, Row row) {
  second_ = (second_ + 1) % 60;
  return sealed_.append(tenant, std::move(row),
                        Timestamp(std::chrono::seconds(kBegin + minute * 60 + second_)));
}

void ReadModelLedger::append_usage(const std::string& tenant) {
  for (int i = 0; i < 6; ++i) {
    Row call = row("llm_call", "completed", "u-" + std::to_string(i % 2));
    call.set_text(Column::department_id, "sales");
    call.set_text(Column::provider, "openai");
    call.set_text(Column::model, "gpt-4o");
    call.set_text(Column::route, "eu");
    call.set_text(Column::status, i == 0 ? "failure" : "success");
    call.set_text(Column::usage_basis, i == 1 ? "exclusive" : "inclusive");
    int tokens = 100;
    for (const Column column :
         {Column::input_tokens, Column::output_tokens, Column::total_tokens, Column::cache_read_tokens,
          Column::cache_write_tokens, Column::reasoning_tokens}) {
      call.set_int(column, tokens += 7);
    }
    call.set_decimal(Column::cost_usd, "0.0025");
    append(tenant, 0, call);
  }
}

void ReadModelLedger::append_keys() {
  Row created = row("api_key", "created", "u-admin");
  created.set_text(Column::key_id, "k-1");
  created.set_text(Column::key_hash, std::string(64, 'a'));
  created.set_text(Column::key_prefix, "sk-ab");
  created.set_text(Column::key_type, "user");
  created.set_text(Column::on_behalf_of, "u-owner");
  created.set_json(
      Column::detail,
      R"({"rpm_limit": 4, "expires_at": "2027-01-01T00:00:00Z", "permissions_after": ["read"]})");
  created.set_json(Column::personal_detail, R"({"data": {"key": {"name": "Amara's key"}}})");
  append("acme", 1, created);
  Row updated = row("api_key", "updated", "u-admin");
  updated.set_text(Column::key_id, "k-1");
  updated.set_json(Column::personal_detail, R"({"data": {"rotation_reason": "left in a chat with Bo"}})");
  append("acme", 2, updated);
  Row service = row("api_key", "created", "svc-billing");
  service.set_text(Column::actor_type, "service");
  service.set_text(Column::key_id, "k-2");
  service.set_text(Column::key_type, "service");
  append("acme", 3, service);
  Row rotated = row("api_key", "rotated", "svc-billing");
  rotated.set_text(Column::key_id, "k-2");
  rotated.set_json(Column::detail, R"({"grace_period_end": "2026-12-01T00:00:00Z"})");
  append("acme", 4, rotated);
}

Row ReadModelLedger::used(const std::string& key, int address) {
  Row used = row("api_key", "used", "u-owner");
  used.set_text(Column::key_id, key);
  used.set_int(Column::response_code, 200);
  used.set_int(Column::response_bytes, 1'000);
  used.set_text(Column::request_path, "/v1/models");
  used.set_text(Column::user_agent, "curl/8");
  used.set_ip(Column::client_ip, ip4(address));
  return used;
}

Row ReadModelLedger::failed(int number) {
  Row failed = row("api_key", "auth_failed", "u-mallory");
  failed.set_text(Column::status, "failure");
  failed.set_text(Column::key_id, "k-1");
  failed.set_text(Column::key_prefix, "sk-ab");
  failed.set_int(Column::response_code, 401);
  failed.set_ip(Column::client_ip, ip4(number < 10 ? 66 : 67));
  return failed;
}

/// More requests in a minute than the key may make, then somebody who tries keys until one works.
void ReadModelLedger::append_attack() {
  for (int i = 0; i < 6; ++i) append("acme", 10, used("k-1", 7 + i % 2));
  append("acme", 12, used("k-2", 9));
  for (int i = 0; i < 12; ++i) append("acme", 20, failed(i));
  append("acme", 21, used("k-1", 66));
}

void ReadModelLedger::append_resolution() {
  Row resolve = row("admin", "resolve", "u-sre");
  resolve.set_text(Column::resource_type, "api_key_anomaly");
  resolve.set_text(Column::resource_id,
                   value(std::string("SELECT anomaly_id FROM audit.api_key_anomalies WHERE ") + kResolved));
  append("acme", 2901, resolve);
}

void ReadModelLedger::append_erasure() {
  Row erase = row("admin", "erase", "dpo");
  erase.set_text(Column::resource_type, "ledger_rows");
  erase.set_json(Column::detail, R"({"erased_seqs": [[0, 1000]]})");
  erasure_ = append("acme", 2902, erase);
}

std::string ReadModelLedger::erase_sql(const std::string& where) {
  const std::string seqs =
      value("SELECT array_agg(seq ORDER BY seq) FROM audit.ledger WHERE tenant_id = 'acme' AND " + where);
  EXPECT_NE(seqs, "") << where;
  return "SELECT audit.erase_rows('acme', " + erasure() + ", '" + seqs + "', '" + seqs + "')";
}

}  // namespace sealstream
