#include "postgres/read_model_rebuild.h"

#include "postgres/expected_models.h"
#include "postgres/reading.h"

namespace sealstream {
namespace {

class Rebuild {
 public:
  Rebuild(Connection& connection, const RebuildOptions& options)
      : connection_(connection), options_(options) {
    for (const ReadModelTable& table : read_model_tables()) {
      if (wanted(table.model)) done_.push_back({&table});
    }
  }

  std::vector<std::string> tenants() {
    if (options_.tenant) return {*options_.tenant};
    std::string sql = "SELECT tenant_id FROM audit.chain_heads";
    for (const RebuiltTable& table : done_) {
      sql += " UNION SELECT tenant_id FROM audit." + std::string(table.table->name);
    }
    const Answer answer = connection_.run_one({sql + " ORDER BY tenant_id"});
    std::vector<std::string> tenants;
    tenants.reserve(static_cast<std::size_t>(row_count(answer)));
    for (int row = 0; row < row_count(answer); ++row) tenants.emplace_back(bytes_at(answer, row, 0));
    return tenants;
  }

  std::vector<RebuiltTable> run(const std::function<void(const RebuildStep&)>& begin) {
    ExpectedModels expected(connection_);
    if (const std::string obstacle = expected.obstacle(); !obstacle.empty()) {
      throw LedgerError(LedgerFault::misconfigured, "", "", obstacle);
    }
    const std::vector<std::string> all = tenants();
    RebuildStep step{0, std::ssize(all)};
    for (const std::string& tenant : all) {
      ++step.tenant;
      for (const ReadModel model : kReadModels) {
        if (!wanted(model)) continue;
        step.model = model;
        begin(step);
        rebuild(expected, tenant, model);
      }
    }
    return std::move(done_);
  }

 private:
  bool wanted(ReadModel model) const { return !options_.model || *options_.model == model; }

  void rebuild(ExpectedModels& expected, const std::string& tenant, ReadModel model) {
    connection_.run(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = pg_catalog, pg_temp;"
        "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0;"
        "SET LOCAL idle_in_transaction_session_timeout = 0");
    if (model == ReadModel::api_key_anomalies) {
      expected.prepare_windows();
      expected.judge(tenant);
    }
    connection_.run_one(
        {"SELECT FROM audit.chain_heads WHERE tenant_id = $1 FOR UPDATE", {Parameter::text(tenant)}});
    // An erasure holds the head too: behind it none is overlooked, and none comes any more.
    if (model != ReadModel::usage_records) expected.find_erased(tenant);
    if (model == ReadModel::api_key_anomalies) expected.judge(tenant);  // what came meanwhile
    for (RebuiltTable& table : done_) {
      if (table.table->model == model) write(table, tenant);
    }
    expected.drop();
    connection_.run("COMMIT");
  }

  void write(RebuiltTable& table, const std::string& tenant) {
    const Answer answer = connection_.run_one({write_expected_sql(*table.table), {Parameter::text(tenant)}});
    table.added += int8_at(answer, 0, 0);
    table.changed += int8_at(answer, 0, 1);
    table.removed += int8_at(answer, 0, 2);
  }

  Connection& connection_;
  const RebuildOptions& options_;
  std::vector<RebuiltTable> done_;
};

}  // namespace

std::vector<std::string> tenants_to_rebuild(Connection& connection, const RebuildOptions& options) {
  return reading(connection, [&] { return Rebuild(connection, options).tenants(); });
}

std::vector<RebuiltTable> rebuild_read_models(Connection& connection, const RebuildOptions& options,
                                              const std::function<void(const RebuildStep&)>& begin) {
  return reading(connection, [&] { return Rebuild(connection, options).run(begin); });
}

}  // namespace sealstream
