#include "postgres/anomaly_statements.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "postgres/leaves.h"

namespace sealstream {
namespace {

bool resolves(const Row& row) {
  return row.says(Column::family, "admin") && row.says(Column::action, "resolve") &&
         row.says(Column::resource_type, "api_key_anomaly") && row.has(Column::resource_id);
}

}  // namespace

Statement judge_statement(const std::vector<WindowStep>& steps) {
  assert(!steps.empty());
  ArrayParameter tenant(PgType::text), from(PgType::timestamptz), to(PgType::timestamptz), seq(PgType::int8);
  Timestamp since = Timestamp::max();
  for (const auto& step : steps) {
    tenant.add(step.tenant);
    from.add_timestamp(step.closing.from);
    to.add_timestamp(step.closing.to);
    seq.add_int8(step.seq.value());
    since = std::min(since, step.recorded_since);
  }
  // The names of leaves sort as their months do.
  return {R"(SELECT anomaly_type, severity, found FROM audit.judge_key_windows(
  ARRAY(SELECT 'audit.' || leaf.relname FROM pg_catalog.pg_inherits AS link
        JOIN pg_catalog.pg_class AS leaf ON leaf.oid = link.inhrelid
        WHERE link.inhparent = 'audit.ledger'::pg_catalog.regclass AND NOT link.inhdetachpending
          AND leaf.relname::text COLLATE "C" >= $5),
  $1::text[], $2::timestamptz[], $3::timestamptz[], $4::bigint[]))",
          {std::move(tenant).finish(), std::move(from).finish(), std::move(to).finish(),
           std::move(seq).finish(), Parameter::text(leaf_name(since))}};
}

std::vector<AnomalyCount> read_anomalies(const Answer& answer) {
  std::vector<AnomalyCount> counts;
  for (int row = 0; row < row_count(answer); ++row) {
    counts.push_back({std::string(bytes_at(answer, row, 0)), std::string(bytes_at(answer, row, 1)),
                      int8_at(answer, row, 2)});
  }
  return counts;
}

std::optional<Statement> resolve_statement(const std::vector<SealedRow>& rows) {
  ArrayParameter tenant(PgType::text), anomaly(PgType::text), seq(PgType::int8), time(PgType::timestamptz),
      user(PgType::text);
  bool any = false;
  for (const auto& sealed : rows) {
    const Row& row = *sealed.row;
    if (!resolves(row)) continue;
    any = true;
    tenant.add(sealed.tenant);
    anomaly.add(row.bytes(Column::resource_id));
    seq.add_int8(sealed.seq.value());
    time.add_timestamp(row.timestamp_value(Column::event_time));
    if (row.has(Column::user_id)) {
      user.add(row.bytes(Column::user_id));
    } else {
      user.add_null();
    }
  }
  if (!any) return std::nullopt;
  return Statement{
      "SELECT audit.resolve_anomalies($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[])",
      {std::move(tenant).finish(), std::move(anomaly).finish(), std::move(seq).finish(),
       std::move(time).finish(), std::move(user).finish()}};
}

}  // namespace sealstream
