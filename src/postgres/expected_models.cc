#include "postgres/expected_models.h"

#include "sealstream/core/columns.h"

namespace sealstream {
namespace {

constexpr std::int64_t kStepsACall = 1'000;

constexpr std::string_view kStateTables[] = {"api_key_activity", "api_key_seen", "api_key_attempts",
                                             "api_key_anomalies"};

/// The functions that work on these tables, whichever schema they lie in.
constexpr std::string_view kFunctions[][2] = {
    {"judge_key_windows", "(text[], text[], timestamptz[], timestamptz[], bigint[])"},
    {"resolve_anomalies", "(text[], text[], bigint[], timestamptz[], text[])"}};

/// Rows without the personal values that they had, as far as a key or a window may depend on them.
std::string erased_rows_sql() {
  std::string personal;
  for (const ColumnInfo& column : kColumns) {
    if (column.personal) personal += (personal.empty() ? "" : ", ") + std::string(column.name);
  }
  return "CREATE TEMPORARY TABLE erased_rows ON COMMIT DROP AS SELECT tenant_id, family, key_id, event_time"
         " FROM audit.ledger WHERE personal_commitment IS NOT NULL AND num_nonnulls(" +
         personal +
         ") = 0 AND (key_id IS NOT NULL OR family = 'api_key' OR family = 'admin' AND action = 'resolve')";
}

constexpr const char* kErasedWindows = R"(
CREATE INDEX ON pg_temp.erased_rows (tenant_id, event_time);
ANALYZE pg_temp.erased_rows;
CREATE OR REPLACE FUNCTION pg_temp.in_erased_window(tenant text, type text, subject text, key text, from_time timestamptz,
                                                    to_time timestamptz) RETURNS boolean LANGUAGE sql STABLE
AS $$
  SELECT EXISTS (
    SELECT FROM pg_temp.erased_rows AS r
    WHERE r.tenant_id = tenant AND r.family = 'api_key' AND r.event_time < to_time
      AND (r.event_time >= from_time AND (subject <> 'key' OR r.key_id = key)
           -- it asks for the addresses of all time before
           OR type = 'unusual_time' AND r.key_id = key))
$$)";

}  // namespace

std::string ExpectedModels::obstacle() {
  const Answer answer = connection_.run_one({R"(
SELECT CASE
  WHEN pg_is_in_recovery() THEN 'this is a standby, where no temporary table can be made'
  WHEN NOT has_database_privilege(current_database(), 'TEMPORARY') THEN
    format('%s may not make temporary tables: GRANT TEMPORARY ON DATABASE %I TO %I',
           current_user, current_database(), current_user)
  WHEN to_regclass('audit.usage_from_ledger') IS NULL OR to_regclass('audit.api_keys_from_ledger') IS NULL
    OR to_regproc('audit.judge_key_windows') IS NULL OR to_regproc('audit.resolve_anomalies') IS NULL THEN
    'a view or function that computes them is not there: see sealstream migrate status'
  ELSE '' END)"});
  return std::string(bytes_at(answer, 0, 0));
}

void ExpectedModels::find_erased(const std::optional<std::string>& tenant) {
  connection_.run(erased_rows_sql() + (tenant ? " AND tenant_id = " + connection_.literal(*tenant) : ""));
  connection_.run(kErasedWindows);
}

void ExpectedModels::prepare_windows() {
  std::string sql =
      "CREATE TEMPORARY TABLE key_steps (tenant_id text, seq bigint, from_minute timestamptz, to_minute "
      "timestamptz,"
      " PRIMARY KEY (tenant_id, seq)) ON COMMIT DROP;";
  for (const std::string_view table : kStateTables) {
    sql += "CREATE TEMPORARY TABLE " + std::string(table) + " (LIKE audit." + std::string(table) +
           " INCLUDING ALL) ON COMMIT DROP;";
  }
  for (const auto& [name, types] : kFunctions) {
    const std::string function = std::string(name) + std::string(types);
    sql += "DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('audit." + function +
           "'::regprocedure), 'FUNCTION audit." + std::string(name) + "(', 'FUNCTION pg_temp." +
           std::string(name) + "('); END $do$; ALTER FUNCTION pg_temp." + function +
           " SET search_path = pg_temp, pg_catalog, audit;";
  }
  connection_.run(sql);
}

void ExpectedModels::drop() {
  connection_.run(
      "DROP FUNCTION IF EXISTS pg_temp.in_erased_window, pg_temp.judge_key_windows, "
      "pg_temp.resolve_anomalies");
}

std::int64_t ExpectedModels::judge(const std::string& tenant, std::int64_t after) {
  const std::int64_t last = read_steps(tenant, after);
  const Parameter who = Parameter::text(tenant);
  for (std::int64_t judged = after;;) {
    const Answer done = connection_.run_one({R"(
WITH due AS (SELECT * FROM pg_temp.key_steps WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3),
     steps AS (SELECT array_agg(tenant_id ORDER BY seq) AS tenants, array_agg(from_minute ORDER BY seq) AS from_minutes,
                      array_agg(to_minute ORDER BY seq) AS to_minutes, array_agg(seq ORDER BY seq) AS seqs FROM due)
SELECT coalesce((SELECT max(seq) FROM due), -1), (
  SELECT count(*) FROM steps CROSS JOIN LATERAL pg_temp.judge_key_windows(
    '{audit.ledger}', steps.tenants, steps.from_minutes, steps.to_minutes, steps.seqs) WHERE steps.seqs IS NOT NULL))",
                                             {who, Parameter::int8(judged), Parameter::int8(kStepsACall)}});
    if (int8_at(done, 0, 0) < 0) break;
    judged = int8_at(done, 0, 0);
  }
  connection_.run_one({R"(
SELECT pg_temp.resolve_anomalies(array_agg(e.tenant_id), array_agg(e.resource_id), array_agg(e.seq),
                                 array_agg(e.event_time), array_agg(e.user_id))
FROM audit.ledger AS e
WHERE e.tenant_id = $1 AND e.seq > $2 AND e.seq <= $3
  AND e.family = 'admin' AND e.action = 'resolve' AND e.resource_type = 'api_key_anomaly')",
                       {who, Parameter::int8(after), Parameter::int8(last)}});
  return last;
}

/// What audit.key_window_steps gives of the whole chain, from where it was read before.
std::int64_t ExpectedModels::read_steps(const std::string& tenant, std::int64_t after) {
  const Answer last = connection_.run_one({R"(
WITH reached AS MATERIALIZED (SELECT max(to_minute) AS minute FROM pg_temp.key_steps WHERE tenant_id = $1),
     row AS MATERIALIZED (
       SELECT e.seq, greatest(reached.minute, audit.key_window_start('1 minute',
                max(least(e.event_time, e.recorded_at)) OVER (ORDER BY e.seq) - interval '5 minutes')) AS minute
       FROM audit.ledger AS e CROSS JOIN reached WHERE e.tenant_id = $1 AND e.seq > $2),
     step AS (
       INSERT INTO pg_temp.key_steps (tenant_id, from_minute, to_minute, seq)
       SELECT $1, coalesce(r.before, '-infinity'), r.minute, r.seq
       FROM (SELECT row.*, lag(row.minute, 1, reached.minute) OVER (ORDER BY row.seq) AS before FROM row CROSS JOIN reached) AS r
       WHERE r.before IS DISTINCT FROM r.minute)
SELECT coalesce(max(seq), $2) FROM row)",
                                           {Parameter::text(tenant), Parameter::int8(after)}});
  return int8_at(last, 0, 0);
}

}  // namespace sealstream
