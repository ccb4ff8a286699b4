// Batches with calls and events of keys, each committed and then found in both read models as the views
// compute them from the ledger alone.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "postgres/ledger_fixture.h"

namespace sealstream {

inline constexpr const char* kUsageColumns =
    "tenant_id, department_id, user_id, provider, model, route, time_bucket, requests, errors, input_tokens,"
    " output_tokens, total_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd";
inline constexpr const char* kKeyColumns =
    "tenant_id, key_id, key_hash, key_prefix, key_name, key_type, user_id, service, permissions, rpm_limit,"
    " created_at, expires_given, last_used_at, last_used_ip, usage_count, status, rotation_required,"
    " rotation_reason, rotated_at, grace_given, key_hash_at, key_prefix_at, key_name_at, key_type_at,"
    " permissions_at, rpm_limit_at, expires_given_at, status_at, rotation_at";

inline std::string ip(unsigned char last) {
  return std::string("\2\x20\0\4\xC0\0\2", 7) + static_cast<char>(last);
}

/// The rows that a table and its view do not share.
inline std::string differences(TestDatabase& database, const std::string& table, const std::string& view,
                               const std::string& columns) {
  const std::string stored = "SELECT " + columns + " FROM audit." + table;
  const std::string computed = "SELECT " + columns + " FROM audit." + view;
  return database.superuser().value(
      "SELECT coalesce(string_agg(d::text, E'\\n'), '') FROM (SELECT 'stored', a.* FROM (" + stored +
      " EXCEPT ALL " + computed + ") AS a UNION ALL SELECT 'computed', b.* FROM (" + computed +
      " EXCEPT ALL " + stored + ") AS b) AS d");
}

class ReadModelsFixture : public LedgerTest {
 protected:
  ReadModelsFixture() { run("SET TimeZone = 'UTC'"); }

  /// A batch that goes on where the last one ended.
  TestBatch& begin() {
    batch_.emplace(partition(0), claimed());
    for (const auto& [tenant, head] : heads_) batch_->after(tenant, head);
    return *batch_;
  }
  Row& event(std::string_view tenant, std::string_view family, std::string_view action,
             Timestamp time = kNow) {
    if (!batch_) begin();
    Row& row = batch_->event(tenant, "e" + std::to_string(events_++));
    row.set_text(Column::family, family);
    row.set_text(Column::action, action);
    row.set_timestamp(Column::event_time, time);
    tenants_.insert(std::string(tenant));
    return row;
  }
  Row& call(Timestamp time = kNow) {
    Row& row = event("acme", "llm_call", "completed", time);
    row.set_text(Column::model, "m");
    return row;
  }
  Row& key(std::string_view action, Timestamp time = kNow, std::string_view key_id = "k") {
    Row& row = event("acme", "api_key", action, time);
    row.set_text(Column::key_id, key_id);
    return row;
  }
  /// Commits the batch, and finds both tables equal to their views.
  void commit() {
    ledger_.commit(batch_->writes());
    for (const auto& tenant : tenants_) heads_[tenant] = batch_->head(tenant);
    batch_.reset();
    expect_views();
  }
  void expect_views() {
    EXPECT_EQ(differences(database_, "usage_records", "usage_from_ledger", kUsageColumns), "");
    EXPECT_EQ(differences(database_, "api_keys", "api_keys_from_ledger", kKeyColumns), "");
  }
  std::string usage(const std::string& columns) {
    return value("SELECT coalesce(string_agg(concat_ws(' ', " + columns +
                 "), '; ' ORDER BY tenant_id, user_id, model, time_bucket), '') FROM audit.usage_records");
  }
  /// Columns of the one key, NULL as "-".
  std::string of_key(const std::string& columns, const std::string& table = "api_keys") {
    std::string expression;
    for (std::size_t begin = 0; begin < columns.size();) {
      const std::size_t end = std::min(columns.find(' ', begin), columns.size());
      expression +=
          (begin == 0 ? "coalesce(" : ", coalesce(") + columns.substr(begin, end - begin) + "::text, '-')";
      begin = end + 1;
    }
    return value("SELECT concat_ws(' ', " + expression + ") FROM audit." + table);
  }

  std::optional<TestBatch> batch_;
  std::set<std::string> tenants_;
  std::map<std::string, Head> heads_;
  int events_ = 0;
};

}  // namespace sealstream
