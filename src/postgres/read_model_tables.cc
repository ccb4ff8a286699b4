#include "postgres/read_model_tables.h"

namespace sealstream {
namespace {

using Kind = ReadModelColumn::Kind;
using Columns = std::vector<ReadModelColumn>;

// An erased row has lost what keys and windows were judged by. Its own usage is exact: it counts as it
// stands.

constexpr std::string_view kExpectedUsage = "SELECT * FROM audit.usage_from_ledger";

// What an erasure made NULL stays NULL, and what only an erased value said stays as it is stored.
constexpr std::string_view kExpectedKeys = R"(
SELECT l.tenant_id, l.key_id, l.key_hash, l.key_prefix, l.key_type, l.permissions, l.rpm_limit, l.created_at,
       l.expires_given, l.last_used_at, l.usage_count, l.status, l.rotated_at, l.grace_given, l.key_hash_at,
       l.key_prefix_at, l.key_type_at, l.permissions_at, l.rpm_limit_at, l.expires_given_at, l.status_at,
       CASE WHEN NOT k.erased OR s.key_name IS NOT NULL THEN l.key_name END AS key_name,
       CASE WHEN NOT k.erased OR s.user_id IS NOT NULL THEN l.user_id END AS user_id,
       CASE WHEN NOT k.erased OR s.service IS NOT NULL THEN l.service END AS service,
       CASE WHEN NOT k.erased OR s.last_used_ip IS NOT NULL THEN l.last_used_ip END AS last_used_ip,
       CASE WHEN NOT k.erased OR s.rotation_reason IS NOT NULL THEN l.rotation_reason END AS rotation_reason,
       CASE WHEN k.erased THEN s.key_name_at ELSE l.key_name_at END AS key_name_at,
       CASE WHEN k.erased THEN s.rotation_required ELSE l.rotation_required END AS rotation_required,
       CASE WHEN k.erased THEN s.rotation_at ELSE l.rotation_at END AS rotation_at
FROM audit.api_keys_from_ledger AS l
LEFT JOIN audit.api_keys AS s ON s.tenant_id = l.tenant_id AND s.key_id = l.key_id
LEFT JOIN (SELECT DISTINCT tenant_id, key_id FROM pg_temp.erased_rows) AS r
  ON r.tenant_id = l.tenant_id AND r.key_id = l.key_id
CROSS JOIN LATERAL (SELECT r.key_id IS NOT NULL AND s.key_id IS NOT NULL AS erased) AS k)";

// Addresses and agents of erased rows are gone from the ledger; an erasure empties the whole minute.
constexpr std::string_view kExpectedActivity = R"(
SELECT l.tenant_id, l.key_id, l.minute, l.events, l.first_event, l.requests, l.errors, l.response_bytes, l.exports,
       l.key_type, l.rpm_limit, l.first_seq, l.last_seq, l.resources,
       CASE WHEN k.erased THEN s.addresses ELSE l.addresses END AS addresses,
       CASE WHEN k.erased THEN s.agents ELSE l.agents END AS agents
FROM pg_temp.api_key_activity AS l
LEFT JOIN audit.api_key_activity AS s ON s.tenant_id = l.tenant_id AND s.key_id = l.key_id AND s.minute = l.minute
CROSS JOIN LATERAL (
  SELECT s.key_id IS NOT NULL
    AND EXISTS (SELECT FROM pg_temp.erased_rows AS r WHERE r.tenant_id = s.tenant_id AND r.key_id = s.key_id
                AND r.event_time >= s.minute AND r.event_time < s.minute + interval '1 minute') AS erased) AS k)";

// Where an erasure took the first use of an address away, a later one may or may not stand in its place.
constexpr std::string_view kExpectedSeen = R"(
SELECT l.* FROM pg_temp.api_key_seen AS l
WHERE NOT EXISTS (SELECT FROM pg_temp.erased_rows AS r WHERE r.tenant_id = l.tenant_id AND r.key_id = l.key_id)
UNION ALL
SELECT s.* FROM audit.api_key_seen AS s
WHERE EXISTS (SELECT FROM pg_temp.erased_rows AS r WHERE r.tenant_id = s.tenant_id AND r.key_id = s.key_id))";

// Which success of a minute is kept depends on failures before it, and on whom it has in common with others.
constexpr std::string_view kExpectedAttempts = R"(
SELECT l.* FROM pg_temp.api_key_attempts AS l
UNION ALL
SELECT s.* FROM audit.api_key_attempts AS s
WHERE s.succeeded
  AND EXISTS (SELECT FROM pg_temp.erased_rows AS r WHERE r.tenant_id = s.tenant_id AND r.family = 'api_key'
              AND r.event_time > s.event_time - interval '1 hour'
              AND r.event_time < s.event_time + interval '1 minute')
  AND NOT EXISTS (SELECT FROM pg_temp.api_key_attempts AS l
                  WHERE l.tenant_id = s.tenant_id AND l.event_time = s.event_time AND l.seq = s.seq))";

// Anomalies whose window holds an erased row stay as they are stored; so does what an erased event resolved.
constexpr std::string_view kExpectedAnomalies = R"(
WITH judged AS (
  SELECT l.anomaly_id, l.tenant_id, l.anomaly_type, l.severity, l.subject, l.key_id, l.key_prefix, l.window_start,
         l.window_end, l.request_count, l.error_count, l.error_rate, l.unique_ips, l.details, l.judged_seq,
         l.created_at,
         CASE WHEN NOT k.erased OR s.user_id IS NOT NULL THEN l.user_id END AS user_id,
         CASE WHEN NOT k.erased OR s.ip_address IS NOT NULL THEN l.ip_address END AS ip_address,
         CASE WHEN NOT k.erased OR s.resolved_by IS NOT NULL THEN l.resolved_by END AS resolved_by,
         CASE WHEN k.resolved THEN s.resolved ELSE l.resolved END AS resolved,
         CASE WHEN k.resolved THEN s.resolved_at ELSE l.resolved_at END AS resolved_at
  FROM pg_temp.api_key_anomalies AS l
  LEFT JOIN audit.api_key_anomalies AS s ON s.tenant_id = l.tenant_id AND s.anomaly_id = l.anomaly_id
  CROSS JOIN LATERAL (
    SELECT s.tenant_id IS NOT NULL
             AND EXISTS (SELECT FROM pg_temp.erased_rows AS r WHERE r.tenant_id = s.tenant_id) AS erased,
           coalesce(s.resolved, false)
             AND EXISTS (SELECT FROM pg_temp.erased_rows AS r WHERE r.tenant_id = s.tenant_id
                         AND r.family = 'admin' AND r.event_time = s.resolved_at) AS resolved) AS k
  WHERE NOT pg_temp.in_erased_window(l.tenant_id, l.anomaly_type, l.subject, l.key_id, l.window_start, l.window_end)
)
SELECT * FROM judged
UNION ALL
SELECT s.anomaly_id, s.tenant_id, s.anomaly_type, s.severity, s.subject, s.key_id, s.key_prefix, s.window_start,
       s.window_end, s.request_count, s.error_count, s.error_rate, s.unique_ips, s.details, s.judged_seq,
       s.created_at, s.user_id, s.ip_address, s.resolved_by, s.resolved, s.resolved_at
FROM audit.api_key_anomalies AS s
WHERE pg_temp.in_erased_window(s.tenant_id, s.anomaly_type, s.subject, s.key_id, s.window_start, s.window_end)
  AND NOT EXISTS (SELECT FROM judged AS l WHERE l.tenant_id = s.tenant_id AND l.anomaly_id = s.anomaly_id))";

Columns plain(std::initializer_list<std::string_view> names) {
  Columns columns;
  for (const std::string_view name : names) columns.push_back({name});
  return columns;
}

Columns with(Columns columns, Kind kind, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) columns.push_back({name, kind});
  return columns;
}

std::vector<ReadModelTable> make_tables() {
  return {
      {ReadModel::usage_records, "usage_records",
       with(plain({"tenant_id", "department_id", "provider", "model", "route", "time_bucket"}),
            Kind::personal, {"user_id"}),
       plain({"requests", "errors", "input_tokens", "output_tokens", "total_tokens", "cache_read_tokens",
              "cache_write_tokens", "reasoning_tokens", "cost_usd"}),
       kExpectedUsage},
      {ReadModel::api_keys, "api_keys", plain({"tenant_id", "key_id"}),
       with(plain({"key_hash",          "key_prefix",    "key_type",       "permissions",  "rpm_limit",
                   "created_at",        "expires_given", "last_used_at",   "usage_count",  "status",
                   "rotation_required", "rotated_at",    "grace_given",    "key_hash_at",  "key_prefix_at",
                   "key_name_at",       "key_type_at",   "permissions_at", "rpm_limit_at", "expires_given_at",
                   "status_at",         "rotation_at"}),
            Kind::personal, {"key_name", "user_id", "service", "last_used_ip", "rotation_reason"}),
       kExpectedKeys},
      {ReadModel::api_key_anomalies, "api_key_activity", plain({"tenant_id", "key_id", "minute"}),
       with(plain({"events", "first_event", "requests", "errors", "response_bytes", "exports", "key_type",
                   "rpm_limit", "first_seq", "last_seq", "resources"}),
            Kind::personal, {"addresses", "agents"}),
       kExpectedActivity, "x.minute"},
      {ReadModel::api_key_anomalies, "api_key_seen",
       with(plain({"tenant_id", "key_id"}), Kind::personal, {"address"}), plain({"first_minute"}),
       kExpectedSeen, "x.first_minute"},
      {ReadModel::api_key_anomalies, "api_key_attempts", plain({"tenant_id", "event_time", "seq"}),
       with(plain({"succeeded", "key_id", "key_prefix"}), Kind::personal, {"user_id", "client_ip"}),
       kExpectedAttempts, "x.event_time"},
      {ReadModel::api_key_anomalies, "api_key_anomalies", plain({"tenant_id", "anomaly_id"}),
       with(with(plain({"anomaly_type", "severity", "subject", "key_id", "key_prefix", "window_start",
                        "window_end", "request_count", "error_count", "error_rate", "unique_ips",
                        "judged_seq", "resolved", "resolved_at", "created_at"}),
                 Kind::json, {"details"}),
            Kind::personal, {"user_id", "ip_address", "resolved_by"}),
       kExpectedAnomalies, "x.window_end"},
  };
}

std::string text(std::string_view view) { return std::string(view); }

/// `each` of every column, with commas between.
template <class Each>
std::string list(const Columns& columns, Each each) {
  std::string out;
  for (const ReadModelColumn& column : columns) out += (out.empty() ? "" : ", ") + each(column);
  return out;
}

std::string names(const Columns& columns, const std::string& prefix = "") {
  return list(columns, [&](const ReadModelColumn& column) { return prefix + text(column.name); });
}

/// As values that tell every difference.
std::string values(const Columns& columns, const std::string& prefix) {
  return list(columns, [&](const ReadModelColumn& column) {
    return prefix + text(column.name) + (column.kind == Kind::json ? "::text" : "");
  });
}

Columns all_columns(const ReadModelTable& table) {
  Columns columns = table.key;
  columns.insert(columns.end(), table.columns.begin(), table.columns.end());
  return columns;
}

/// Whether two rows of the same key differ.
std::string differ(const ReadModelTable& table, const std::string& one, const std::string& other) {
  if (table.columns.empty()) return "false";
  return "ROW(" + values(table.columns, one) + ") IS DISTINCT FROM ROW(" + values(table.columns, other) + ")";
}

std::string same_key(const ReadModelTable& table, const std::string& one, const std::string& other) {
  std::string out;
  for (const ReadModelColumn& column : table.key) {
    out += (out.empty() ? "" : " AND ") + one + text(column.name) + " = " + other + text(column.name);
  }
  return out;
}

std::string noted(const ReadModelTable& table) { return "noted_" + text(table.name); }
std::string noted_again(const ReadModelTable& table) { return "noted_again_" + text(table.name); }

/// Stored rows s beside expected rows l. `which`: what is joined to both, rows x, and a condition.
std::string side_by_side(const ReadModelTable& table,
                         const std::string& which = " WHERE $1::text IS NULL OR x.tenant_id = $1") {
  return "(SELECT x.*, x.xmin AS version FROM audit." + text(table.name) + " AS x" + which +
         ") AS s FULL JOIN (SELECT x.* FROM (" + text(table.expected) + ") AS x" + which + ") AS l ON " +
         same_key(table, "s.", "l.");
}

/// What is shown of one difference, a row of VALUES for each column of the table.
std::string parts(const ReadModelTable& table) {
  std::string out;
  int rank = 0;
  const auto add = [&](const std::string& shown, bool of_key, std::string_view name,
                       const std::string& values) {
    out += (rank == 0 ? "(" : ", (") + std::to_string(rank) + ", " + shown +
           (of_key ? ", true, '" : ", false, '") + text(name) + "', " + values + ")";
    ++rank;
  };
  for (const ReadModelColumn& column : table.key) {
    if (column.kind == Kind::personal) continue;
    add("true", true, column.name, "NULL, d.key_" + text(column.name) + "::text");
  }
  for (const ReadModelColumn& column : table.columns) {
    const std::string stored = "d.stored_" + text(column.name) + "::text";
    const std::string expected = "d.expected_" + text(column.name) + "::text";
    const bool personal = column.kind == Kind::personal;
    add("d.kind = 'different' AND " + stored + " IS DISTINCT FROM " + expected, false, column.name,
        personal ? "NULL, NULL" : stored + ", " + expected);
  }
  return out;
}

constexpr std::string_view kMissing = "s.tenant_id IS NULL";
constexpr std::string_view kUnexpected = "l.tenant_id IS NULL";

std::string note(const ReadModelTable& table, const std::string& into, const std::string& rows) {
  const std::string missing(kMissing), unexpected(kUnexpected);
  const std::string key = list(table.key, [](const ReadModelColumn& column) {
    return "coalesce(l." + text(column.name) + ", s." + text(column.name) + ") AS " + text(column.name);
  });
  return "CREATE TEMPORARY TABLE " + into + " ON COMMIT DROP AS SELECT " + key +
         (table.columns.empty() ? "" : ", " + names(table.columns, "l.")) + ", NOT (" + unexpected +
         ") AS expected, s.version FROM " + rows + " WHERE " + missing + " OR " + unexpected + " OR " +
         differ(table, "s.", "l.");
}

}  // namespace

std::string_view name(ReadModel model) {
  switch (model) {
    case ReadModel::usage_records:
      return "usage_records";
    case ReadModel::api_keys:
      return "api_keys";
    case ReadModel::api_key_anomalies:
      return "api_key_anomalies";
  }
  return "";
}

std::span<const ReadModelTable> read_model_tables() {
  static const std::vector<ReadModelTable> tables = make_tables();
  return tables;
}

std::string count_differences_sql(const ReadModelTable& table) {
  const std::string missing(kMissing), unexpected(kUnexpected);
  return "SELECT count(s.tenant_id), count(l.tenant_id), count(*) FILTER (WHERE " + missing +
         "), count(*) FILTER (WHERE " + unexpected +
         "), count(*) FILTER (WHERE s.tenant_id IS NOT NULL AND l.tenant_id IS NOT NULL AND " +
         differ(table, "s.", "l.") + ") FROM " + side_by_side(table);
}

std::string name_differences_sql(const ReadModelTable& table) {
  const std::string missing(kMissing), unexpected(kUnexpected);
  const std::string key = list(table.key, [](const ReadModelColumn& column) {
    return "coalesce(s." + text(column.name) + ", l." + text(column.name) + ") AS key_" + text(column.name);
  });
  const std::string columns = list(table.columns, [](const ReadModelColumn& column) {
    return "s." + text(column.name) + " AS stored_" + text(column.name) + ", l." + text(column.name) +
           " AS expected_" + text(column.name);
  });
  return "WITH d AS (SELECT row_number() OVER (ORDER BY " + names(table.key, "key_") +
         ") AS place, * FROM (SELECT CASE WHEN " + missing + " THEN 'missing' WHEN " + unexpected +
         " THEN 'unexpected' ELSE 'different' END AS kind, " + key + (columns.empty() ? "" : ", " + columns) +
         " FROM " + side_by_side(table) + " WHERE " + missing + " OR " + unexpected + " OR " +
         differ(table, "s.", "l.") + ") AS differing ORDER BY place LIMIT $2)" +
         " SELECT d.place, d.kind, part.of_key, part.name, part.stored, part.expected FROM d"
         " CROSS JOIN LATERAL (VALUES " +
         parts(table) +
         ") AS part (rank, shown, of_key, name, stored, expected) WHERE part.shown ORDER BY d.place, "
         "part.rank";
}

std::string count_open_sql() {
  return R"(
SELECT (SELECT count(*) FROM audit.api_keys AS s WHERE ($1::text IS NULL OR s.tenant_id = $1)
          AND (s.tenant_id, s.key_id) IN (SELECT r.tenant_id, r.key_id FROM pg_temp.erased_rows AS r)),
       (SELECT count(*) FROM audit.api_key_anomalies AS s WHERE ($1::text IS NULL OR s.tenant_id = $1)
          AND pg_temp.in_erased_window(s.tenant_id, s.anomaly_type, s.subject, s.key_id, s.window_start,
                                       s.window_end)))";
}

std::string note_differences_sql(const ReadModelTable& table) {
  return note(table, noted(table), side_by_side(table));
}

std::string note_again_sql(const ReadModelTable& table) {
  return note(
      table, noted_again(table),
      side_by_side(table, " LEFT JOIN pg_temp." + noted(table) + " AS n ON " + same_key(table, "x.", "n.") +
                              " WHERE x.tenant_id = $1 AND (n.tenant_id IS NOT NULL OR " +
                              text(table.settled_at) +
                              " >= (SELECT coalesce(max(to_minute), '-infinity') FROM pg_temp.key_steps"
                              " WHERE seq <= $2))"));
}

std::string count_noted_sql(const ReadModelTable& table) {
  return "SELECT count(*) FROM pg_temp." + noted(table);
}

std::string write_noted_sql(const ReadModelTable& table) {
  const std::string target = "audit." + text(table.name);
  const std::string from = "pg_temp." + (table.settled_at.empty() ? noted(table) : noted_again(table));
  const std::string same_row = same_key(table, "s.", "n.") + " AND s.xmin = n.version";
  std::string changed = "SELECT 1 WHERE false";
  if (!table.columns.empty()) {
    changed =
        "UPDATE " + target + " AS s SET " +
        list(table.columns,
             [](const ReadModelColumn& column) { return text(column.name) + " = n." + text(column.name); }) +
        " FROM " + from + " AS n WHERE n.expected AND " + same_row + " RETURNING 1";
  }
  const std::string all = names(all_columns(table));
  return "WITH removed AS (DELETE FROM " + target + " AS s USING " + from +
         " AS n WHERE NOT n.expected AND " + same_row + " RETURNING 1), changed AS (" + changed +
         "), added AS (INSERT INTO " + target + " (" + all + ") SELECT " + all + " FROM " + from +
         " WHERE version IS NULL ORDER BY " + names(table.key) + " ON CONFLICT (" + names(table.key) +
         ") DO NOTHING RETURNING 1)" +
         " SELECT (SELECT count(*) FROM added), (SELECT count(*) FROM changed), (SELECT count(*) FROM "
         "removed)";
}

}  // namespace sealstream
