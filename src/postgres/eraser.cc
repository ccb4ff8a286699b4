#include "postgres/eraser.h"

#include "postgres/reading.h"
#include "sealstream/core/row.h"

namespace sealstream {
namespace {

/// No index leads to a user's rows: all rows of the tenant are read. Keep-alives find a server that went
/// away.
constexpr std::chrono::hours kLongestAnswer{1};

ConnectionOptions patient(ConnectionOptions options) {
  options.answer_timeout = kLongestAnswer;
  return options;
}

std::string personal_columns() {
  std::string list;
  for (const ColumnInfo& column : kColumns) {
    if (column.personal) list += (list.empty() ? "" : ", ") + std::string(column.name);
  }
  return list;
}

Parameter bytea_array(const std::vector<std::string>& values) {
  ArrayParameter array(PgType::bytea);
  for (const std::string& value : values) array.add(value);
  return std::move(array).finish();
}

}  // namespace

Eraser::Eraser(ConnectionOptions options) : connection_(patient(std::move(options)), [] {}) {}

std::vector<PersonalRows> Eraser::rows(const Erasable& wanted) {
  const bool by_user = !wanted.user.empty();
  return reading(connection_, [&] {
    const auto answer = connection_.run_one(
        {std::string("SELECT min(seq), max(seq), min(event_time), max(event_time)"
                     " FROM (SELECT seq, event_time, seq - row_number() OVER (ORDER BY seq) AS island"
                     " FROM audit.ledger WHERE tenant_id = $1 AND ") +
             (by_user ? "$2 IN (user_id, on_behalf_of)" : "event_id = $2") + " AND num_nonnulls(" +
             personal_columns() + ") > 0) AS personal GROUP BY island ORDER BY 1",
         {Parameter::text(wanted.tenant), Parameter::text(by_user ? wanted.user : wanted.event_id)}});
    std::vector<PersonalRows> found;
    found.reserve(static_cast<std::size_t>(row_count(answer)));
    for (int i = 0; i < row_count(answer); ++i) {
      RowCursor row(answer, i);
      const Seq from(row.int8()), to(row.int8());
      const Timestamp earliest = row.timestamp();
      found.push_back({{from, to}, earliest, row.timestamp()});
    }
    return found;
  });
}

std::vector<ErasureEvent> Eraser::erasures(const std::string& tenant) {
  return reading(connection_, [&] {
    const auto answer =
        connection_.run_one({"SELECT seq, detail::text FROM audit.ledger WHERE tenant_id = $1 AND family = "
                             "'admin' AND action = 'erase'"
                             " AND resource_type = 'ledger_rows' AND detail IS NOT NULL ORDER BY seq",
                             {Parameter::text(tenant)}});
    std::vector<ErasureEvent> events;
    for (int i = 0; i < row_count(answer); ++i) {
      RowCursor cursor(answer, i);
      const Seq seq(cursor.int8());
      Row row;
      row.set_json(Column::detail, cursor.text());
      events.push_back({seq, erased_seqs(row, seq)});
    }
    return events;
  });
}

std::int64_t Eraser::refused(const std::string& tenant, const std::vector<std::string>& needles) {
  return reading(connection_, [&] {
    const auto answer =
        connection_.run_one({"SELECT count(*) FROM audit.quarantine WHERE tenant_id = $1"
                             " AND audit.refused_holds(key, value, header_names, header_values, $2)",
                             {Parameter::text(tenant), bytea_array(needles)}});
    return int8_at(answer, 0, 0);
  });
}

std::optional<Seq> Eraser::find(const std::string& tenant, const std::string& event_id) {
  return reading(connection_, [&]() -> std::optional<Seq> {
    const auto answer =
        connection_.run_one({"SELECT seq FROM audit.ledger WHERE tenant_id = $1 AND event_id = $2",
                             {Parameter::text(tenant), Parameter::text(event_id)}});
    if (row_count(answer) == 0) return std::nullopt;
    return Seq(int8_at(answer, 0, 0));
  });
}

ErasedCounts Eraser::erase(const std::string& tenant, Seq event, const std::vector<SeqRange>& rows,
                           const std::vector<std::string>& needles) {
  ArrayParameter from(PgType::int8);
  ArrayParameter to(PgType::int8);
  for (const SeqRange range : rows) {
    from.add_int8(range.from.value());
    to.add_int8(range.to.value());
  }
  std::vector<Statement> statements;
  statements.push_back({"BEGIN"});
  statements.push_back({"SET LOCAL statement_timeout = 0"});
  statements.push_back({"SELECT audit.erase_rows($1, $2, $3, $4)",
                        {Parameter::text(tenant), Parameter::int8(event.value()), std::move(from).finish(),
                         std::move(to).finish()}});
  statements.push_back(
      {"SELECT audit.erase_refused($1, $2)", {Parameter::text(tenant), bytea_array(needles)}});
  statements.push_back({"COMMIT"});
  return reading(connection_, [&] {
    const auto answers = connection_.run_pipeline(statements);
    return ErasedCounts{int8_at(answers[2], 0, 0), int8_at(answers[3], 0, 0)};
  });
}

}  // namespace sealstream
