#include "postgres/read_model_check.h"

#include <numeric>

#include "postgres/classify.h"
#include "postgres/expected_models.h"

namespace sealstream {
namespace {

Parameter text_or_null(const std::optional<std::string>& text) {
  return text ? Parameter::text(*text) : Parameter{static_cast<std::uint32_t>(PgType::text), std::nullopt};
}

std::optional<std::string> text_at(const Answer& answer, int row, int column) {
  if (is_null(answer, row, column)) return std::nullopt;
  return std::string(bytes_at(answer, row, column));
}

class Comparison {
 public:
  Comparison(Connection& connection, const ReadModelCheckOptions& options)
      : connection_(connection), options_(options), expected_(connection) {}

  ReadModelCheck run() {
    begin();
    check_.obstacle = expected_.obstacle();
    if (check_.obstacle.empty()) {
      expected_.find_erased(options_.tenant);
      if (wanted(ReadModel::api_key_anomalies)) expected_.prepare_windows();
      connection_.run("SET TRANSACTION READ ONLY");
      if (wanted(ReadModel::api_key_anomalies)) judge();
      for (const ReadModelTable& table : read_model_tables()) {
        if (wanted(table.model)) compare(table);
      }
      count_open();
    }
    connection_.run("ROLLBACK");
    return std::move(check_);
  }

 private:
  bool wanted(ReadModel model) const { return !options_.model || *options_.model == model; }

  void begin() {
    std::string sql = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ WRITE;";
    if (!options_.snapshot.empty()) {
      sql += "SET TRANSACTION SNAPSHOT " + connection_.literal(options_.snapshot) + ";";
    }
    connection_.run(sql +
                    "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL TimeZone = 'UTC';"
                    "SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres';"
                    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0");
  }

  void judge() {
    const Answer heads = connection_.run_one(
        {"SELECT tenant_id FROM audit.chain_heads WHERE $1::text IS NULL OR tenant_id = $1"
         " ORDER BY tenant_id",
         {text_or_null(options_.tenant)}});
    for (int row = 0; row < row_count(heads); ++row) expected_.judge(*text_at(heads, row, 0));
  }

  void compare(const ReadModelTable& table) {
    const Answer answer =
        connection_.run_one({count_differences_sql(table), {text_or_null(options_.tenant)}});
    const auto count = [&](int column) { return int8_at(answer, 0, column); };
    const ReadModelCounts counts{&table, count(0), count(1), count(2), count(3), count(4)};
    check_.counts.push_back(counts);
    const std::int64_t room = options_.named - std::ssize(check_.differences);
    if (counts.differences() > 0 && room > 0) name_differences(table, room);
  }

  void name_differences(const ReadModelTable& table, std::int64_t most) {
    const Answer answer = connection_.run_one(
        {name_differences_sql(table), {text_or_null(options_.tenant), Parameter::int8(most)}});
    std::int64_t place = 0;
    for (int row = 0; row < row_count(answer); ++row) {
      if (int8_at(answer, row, 0) != place) {
        place = int8_at(answer, row, 0);
        check_.differences.push_back({&table, *text_at(answer, row, 1), {}, {}});
      }
      ReadModelDifference& difference = check_.differences.back();
      const std::string column = *text_at(answer, row, 3);
      const auto expected = text_at(answer, row, 5);
      if (bool_at(answer, row, 2)) {
        difference.key.emplace_back(column, expected.value_or(""));
      } else {
        difference.values.push_back({column, text_at(answer, row, 4), expected, is_personal(table, column)});
      }
    }
  }

  static bool is_personal(const ReadModelTable& table, const std::string& column) {
    for (const ReadModelColumn& known : table.columns) {
      if (known.name == column) return known.kind == ReadModelColumn::Kind::personal;
    }
    return true;
  }

  void count_open() {
    const Answer answer = connection_.run_one({count_open_sql(), {text_or_null(options_.tenant)}});
    if (wanted(ReadModel::api_keys)) check_.open_keys = int8_at(answer, 0, 0);
    if (wanted(ReadModel::api_key_anomalies)) check_.open_anomalies = int8_at(answer, 0, 1);
  }

  Connection& connection_;
  const ReadModelCheckOptions& options_;
  ExpectedModels expected_;
  ReadModelCheck check_;
};

}  // namespace

std::int64_t ReadModelCheck::difference_count() const {
  return std::accumulate(
      counts.begin(), counts.end(), std::int64_t{0},
      [](std::int64_t sum, const ReadModelCounts& table) { return sum + table.differences(); });
}

ReadModelCheck check_read_models(Connection& connection, const ReadModelCheckOptions& options) {
  Phase phase = Phase::connect;
  try {
    connection.open();
    phase = Phase::statements;
    return Comparison(connection, options).run();
  } catch (const DatabaseError& error) {
    connection.rollback();
    throw to_ledger_error(error, phase);
  }
}

}  // namespace sealstream
