#include "postgres/read_model_rebuild.h"

#include "postgres/expected_models.h"
#include "postgres/reading.h"

namespace sealstream {
namespace {

/// In the last of them the head is locked from the beginning on.
constexpr int kAttempts = 4;

/// What the tenant's head is locked with. Beside the one, batches change the head, which is no change of its
/// key, and other rebuilds compute; an erasure takes the head FOR UPDATE and waits. From the one to the other
/// nothing that waits is in the way: PostgreSQL lets whoever has a row's weaker lock pass, and the stronger
/// one lets the weaker of another rebuild be, as FOR UPDATE would not.
constexpr std::string_view kToCompute = "KEY SHARE";
constexpr std::string_view kToWrite = "NO KEY UPDATE";

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
        int attempts = 0;
        while (!attempt(expected, tenant, model, ++attempts >= kAttempts)) {
          if (attempts == kAttempts) fail(tenant, model);
        }
      }
    }
    return std::move(done_);
  }

 private:
  [[noreturn]] static void fail(const std::string& tenant, ReadModel model) {
    throw LedgerError(
        LedgerFault::ours, "", "",
        "rows of " + std::string(name(model)) + " of the tenant \"" + tenant +
            "\" did not take what was written, though its head was locked: look for triggers and "
            "policies on the table that are not ours");
  }

  bool wanted(ReadModel model) const { return !options_.model || *options_.model == model; }

  /// One transaction. False where batches changed a row that it noted: there may be more to write.
  bool attempt(ExpectedModels& expected, const std::string& tenant, ReadModel model, bool locked) {
    connection_.run(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = pg_catalog, pg_temp;"
        "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0;"
        "SET LOCAL idle_in_transaction_session_timeout = 0");
    lock_head(tenant, kToCompute);
    if (locked) lock_head(tenant, kToWrite);
    if (model != ReadModel::usage_records) expected.find_erased(tenant);
    std::int64_t judged = ExpectedModels::kNothing;
    if (model == ReadModel::api_key_anomalies) {
      expected.prepare_windows();
      judged = expected.judge(tenant, expected.judge(tenant));  // again, for what came meanwhile
    }
    std::int64_t left = note(tenant, model);
    if (left > 0) {
      lock_head(tenant, kToWrite);
      if (model == ReadModel::api_key_anomalies) {
        expected.judge(tenant, judged);
        note_again(tenant, model, judged);
        write(model);
        left = 0;
      } else {
        left -= write(model);
      }
    }
    expected.drop();
    connection_.run("COMMIT");
    return left == 0;
  }

  void lock_head(const std::string& tenant, std::string_view strength) {
    connection_.run_one({"SELECT FROM audit.chain_heads WHERE tenant_id = $1 FOR " + std::string(strength),
                         {Parameter::text(tenant)}});
  }

  std::int64_t note(const std::string& tenant, ReadModel model) {
    std::int64_t noted = 0;
    for (const RebuiltTable& table : done_) {
      if (table.table->model != model) continue;
      connection_.run_one({note_differences_sql(*table.table), {Parameter::text(tenant)}});
      noted += int8_at(connection_.run_one({count_noted_sql(*table.table)}), 0, 0);
    }
    return noted;
  }

  void note_again(const std::string& tenant, ReadModel model, std::int64_t judged) {
    for (const RebuiltTable& table : done_) {
      if (table.table->model != model) continue;
      connection_.run_one({note_again_sql(*table.table), {Parameter::text(tenant), Parameter::int8(judged)}});
    }
  }

  /// Returns how many rows.
  std::int64_t write(ReadModel model) {
    std::int64_t rows = 0;
    for (RebuiltTable& table : done_) {
      if (table.table->model != model) continue;
      const Answer answer = connection_.run_one({write_noted_sql(*table.table)});
      const std::int64_t added = int8_at(answer, 0, 0);
      const std::int64_t changed = int8_at(answer, 0, 1);
      const std::int64_t removed = int8_at(answer, 0, 2);
      table.added += added;
      table.changed += changed;
      table.removed += removed;
      rows += added + changed + removed;
    }
    return rows;
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
