#include "app/read_model_report.h"

namespace sealstream {
namespace {

constexpr std::size_t kMaxPrinted = 20;

std::string shown(const std::optional<std::string>& value) { return value ? json_string(*value) : "NULL"; }

std::string value_text(const ReadModelDifference::Value& value) {
  if (value.personal) return value.column + " differs";
  return value.column + " is " + shown(value.stored) + ", the ledger says " + shown(value.expected);
}

std::string difference_line(const ReadModelDifference& difference) {
  std::string line = "  " + std::string(difference.table->name);
  for (const auto& [column, value] : difference.key) line += " " + column + " " + json_string(value);
  line += ": ";
  if (difference.kind == "missing") line += "the ledger says this row, it is not there";
  if (difference.kind == "unexpected") line += "nothing in the ledger says this row";
  std::string values;
  for (const ReadModelDifference::Value& value : difference.values)
    values += (values.empty() ? "" : "; ") + value_text(value);
  return line + values + "\n";
}

}  // namespace

std::string read_model_text(const ReadModelCheck& check) {
  if (!check.obstacle.empty()) return "read models: not compared\n";
  std::string rows;
  for (const ReadModelCounts& table : check.counts) {
    rows += (rows.empty() ? "" : ", ") + std::string(table.table->name) + " " + std::to_string(table.stored);
  }
  const std::int64_t count = check.difference_count();
  std::string out =
      "read models: rows of " + rows + ": " +
      (count == 0 ? "as the ledger says\n"
                  : std::to_string(count) + " differences (`sealstream rebuild read-models` mends them)\n");
  std::size_t printed = 0;
  for (const ReadModelDifference& difference : check.differences) {
    if (printed == kMaxPrinted) break;
    out += difference_line(difference);
    ++printed;
  }
  const std::int64_t rest = count - static_cast<std::int64_t>(printed);
  if (rest > 0) out += "  and " + std::to_string(rest) + " more\n";
  if (check.open_keys + check.open_anomalies > 0) {
    out += "not compared because of erasures: what was erased of " + std::to_string(check.open_keys) +
           " keys, " + std::to_string(check.open_anomalies) + " anomalies\n";
  }
  return out;
}

void write_read_models(JsonWriter& json, const ReadModelCheck& check) {
  json.begin_object().member("compared", check.obstacle.empty()).key("tables").begin_array();
  for (const ReadModelCounts& counts : check.counts) {
    json.begin_object().member("table", counts.table->name);
    json.member("stored", counts.stored).member("expected", counts.expected);
    json.member("missing", counts.missing).member("unexpected", counts.unexpected);
    json.member("different", counts.different).end_object();
  }
  json.end_array().key("differences").begin_array();
  for (const ReadModelDifference& difference : check.differences) {
    json.begin_object().member("table", difference.table->name).member("kind", difference.kind);
    json.key("key").begin_object();
    for (const auto& [column, value] : difference.key) json.member(column, value);
    json.end_object().key("columns").begin_array();
    for (const ReadModelDifference::Value& value : difference.values) {
      json.begin_object().member("column", value.column).member("personal", value.personal);
      if (!value.personal) {
        json.key("stored");
        value.stored ? json.value(*value.stored) : json.null();
        json.key("expected");
        value.expected ? json.value(*value.expected) : json.null();
      }
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().member("difference_count", check.difference_count());
  json.key("not_compared").begin_object();
  json.member("keys", check.open_keys).member("anomalies", check.open_anomalies).end_object().end_object();
}

}  // namespace sealstream
