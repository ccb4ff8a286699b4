#include "postgres/anomalies.h"

#include "postgres/reading.h"

namespace sealstream {
namespace {

/// In the order in which read_anomaly takes them.
constexpr const char* kSelect =
    "SELECT anomaly_id::text, tenant_id, anomaly_type, severity, subject, key_id, key_prefix, user_id,"
    " host(ip_address), window_start, window_end, request_count, error_count, error_rate, unique_ips,"
    " details::text, judged_seq, resolved, resolved_at, resolved_by FROM audit.api_key_anomalies";

std::string text(RowCursor& row) { return row.text(); }
Timestamp timestamp(RowCursor& row) { return row.timestamp(); }

Anomaly read_anomaly(RowCursor row) {
  Anomaly anomaly;
  anomaly.id = row.text();
  anomaly.tenant = row.text();
  anomaly.type = row.text();
  anomaly.severity = row.text();
  anomaly.subject = row.text();
  anomaly.key_id = row.nullable(text);
  anomaly.key_prefix = row.nullable(text);
  anomaly.user_id = row.nullable(text);
  anomaly.ip_address = row.nullable(text);
  anomaly.window_start = row.timestamp();
  anomaly.window_end = row.timestamp();
  anomaly.request_count = row.int8();
  anomaly.error_count = row.int8();
  anomaly.error_rate_permille = row.int8();
  anomaly.unique_ips = row.int8();
  anomaly.details = row.text();
  anomaly.judged_seq = Seq(row.int8());
  anomaly.resolved = row.boolean();
  anomaly.resolved_at = row.nullable(timestamp);
  anomaly.resolved_by = row.nullable(text);
  return anomaly;
}

std::vector<Anomaly> read_anomalies(Connection& connection, Statement statement) {
  return reading(connection, [&] {
    const auto answer = connection.run_one(std::move(statement));
    std::vector<Anomaly> anomalies;
    anomalies.reserve(static_cast<std::size_t>(row_count(answer)));
    for (int row = 0; row < row_count(answer); ++row) anomalies.push_back(read_anomaly({answer, row}));
    return anomalies;
  });
}

}  // namespace

std::vector<Anomaly> list_anomalies(Connection& as_operator, const AnomalyFilter& filter) {
  const char* resolved = filter.resolved ? (*filter.resolved ? "resolved" : "NOT resolved") : "true";
  return read_anomalies(
      as_operator,
      {std::string(kSelect) +
           " WHERE $1 IN ('', tenant_id) AND $2 IN ('', anomaly_type) AND $3 IN ('', severity) AND " +
           resolved + " ORDER BY created_at DESC, tenant_id, anomaly_id LIMIT $4",
       {Parameter::text(filter.tenant), Parameter::text(filter.type), Parameter::text(filter.severity),
        Parameter::int8(filter.limit)}});
}

std::optional<Anomaly> show_anomaly(Connection& as_operator, const std::string& id) {
  std::vector<Anomaly> found = read_anomalies(
      as_operator, {std::string(kSelect) + " WHERE anomaly_id = $1::uuid", {Parameter::text(id)}});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

}  // namespace sealstream
