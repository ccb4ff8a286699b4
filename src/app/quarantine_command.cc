// quarantine list and show: what publishers must mend, as audit_operator.
#include <charconv>
#include <ostream>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/connections.h"
#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "app/moment.h"
#include "postgres/readers.h"

namespace sealstream {
namespace {

std::string place_text(const RecordPlace& place) {
  return place.id.topic + "/" + std::to_string(place.log_epoch.value()) + "/" +
         std::to_string(place.id.partition.value()) + "/" + std::to_string(place.offset.value());
}

/// Cuts the number behind the last '/' off `text`.
std::optional<std::int64_t> cut_number(std::string_view& text) {
  const std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view digits = text.substr(slash + 1);
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || stop != digits.data() + digits.size() || number < 0) return std::nullopt;
  text = text.substr(0, slash);
  return number;
}

RecordPlace parse_place(const std::string& text) {
  std::string_view rest = text;
  const auto offset = cut_number(rest), partition = cut_number(rest), log_epoch = cut_number(rest);
  if (!offset || !partition || !log_epoch || rest.empty() || *partition > INT32_MAX) {
    throw UsageError("a place is topic/log_epoch/partition/offset, for example audit.events.v1/0/3/4711");
  }
  return {{std::string(rest), Partition(static_cast<std::int32_t>(*partition))},
          LogEpoch(*log_epoch),
          Offset(*offset)};
}

void write_entry(JsonWriter& json, const QuarantineEntry& entry) {
  json.member("place", place_text(entry.place)).member("topic", entry.place.id.topic);
  json.member("log_epoch", entry.place.log_epoch.value());
  json.member("partition", std::int64_t{entry.place.id.partition.value()});
  json.member("offset", entry.place.offset.value());
  json.member("kafka_timestamp", moment_text(entry.kafka_timestamp));
  json.member("quarantined_at", moment_text(entry.quarantined_at));
  json.member("tenant", entry.tenant).member("reason", entry.reason).member("member_path", entry.member_path);
  json.member("message", entry.message)
      .member("sqlstate", entry.sqlstate)
      .member("constraint", entry.constraint);
  json.member("state", entry.state).member("redacted", entry.redacted).key("value_length");
  entry.value_length ? json.value(*entry.value_length) : json.null();
}

/// A text member, or `name`_base64 where the bytes are no text.
void write_bytes(JsonWriter& json, const std::string& name, const std::optional<std::string>& bytes) {
  if (!bytes) {
    json.key(name).null();
  } else if (is_utf8(*bytes)) {
    json.member(name, *bytes);
  } else {
    json.member(name + "_base64", base64(*bytes));
  }
}

std::string content_json(const QuarantineContent& content) {
  JsonWriter json;
  json.begin_object();
  write_entry(json, content.entry);
  write_bytes(json, "key", content.key);
  write_bytes(json, "value", content.value);
  json.key("headers").begin_array();
  for (const auto& [name, value] : content.headers) {
    json.begin_object();
    write_bytes(json, "name", name);
    write_bytes(json, "value", value);
    json.end_object();
  }
  return json.end_array().end_object().text() + "\n";
}

std::string shown(const std::optional<std::string>& bytes) { return bytes ? json_string(*bytes) : "null"; }

std::string content_text(const QuarantineContent& content) {
  const QuarantineEntry& entry = content.entry;
  std::string text = "place           " + printable(place_text(entry.place)) + "\n";
  text += "state           " + entry.state + "\n";
  text += "reason          " + entry.reason +
          (entry.member_path.empty() ? "" : " at " + printable(entry.member_path)) + "\n";
  text += "what to mend    " + printable(entry.message) + "\n";
  if (!entry.sqlstate.empty())
    text += "SQLSTATE        " + entry.sqlstate + " " + printable(entry.constraint) + "\n";
  text += "tenant's chain  " + printable(entry.tenant) + "\n";
  text += "written         " + moment_text(entry.kafka_timestamp) + "\n";
  text += "quarantined     " + moment_text(entry.quarantined_at) + "\n";
  text += std::string("redacted        ") + (entry.redacted ? "yes: secrets were replaced" : "no") + "\n";
  for (const auto& [name, value] : content.headers)
    text += "header          " + shown(name) + ": " + shown(value) + "\n";
  text += "key             " + shown(content.key) + "\n";
  text += "value           " + shown(content.value) + "\n";
  if (content.value && entry.value_length &&
      *entry.value_length != static_cast<std::int64_t>(content.value->size())) {
    text += "                of " + std::to_string(*entry.value_length) + " bytes as it came\n";
  }
  return text;
}

}  // namespace

int quarantine_list_command(const Config& config, const QuarantineListRequest& request,
                            const Terminal& terminal) {
  Connection connection = as_operator(config);
  const QuarantineFilter filter{.tenant = request.tenant,
                                .reason = request.reason,
                                .state = request.state == "all" ? "" : request.state,
                                .limit = request.limit};
  const std::vector<QuarantineEntry> entries = list_quarantine(connection, filter);
  for (const QuarantineEntry& entry : entries) {
    if (request.json) {
      JsonWriter json;
      json.begin_object();
      write_entry(json, entry);
      terminal.out << json.end_object().text() << "\n";
    } else {
      terminal.out << printable(place_text(entry.place)) << "  " << moment_text(entry.quarantined_at) << "  "
                   << printable(entry.tenant) << "  " << entry.reason << "  " << printable(entry.member_path)
                   << "  " << printable(entry.message) << "\n";
    }
  }
  if (entries.empty()) terminal.err << "nothing is quarantined that fits\n";
  if (std::ssize(entries) == request.limit)
    terminal.err << "there may be more: --limit is " << request.limit << "\n";
  return kExitOk;
}

int quarantine_show_command(const Config& config, const std::string& place, bool json,
                            const Terminal& terminal) {
  const RecordPlace wanted = parse_place(place);
  Connection connection = as_operator(config);
  const auto content = show_quarantine(connection, wanted);
  if (!content) {
    terminal.err << "no refused record stood at " << printable(place) << "\n";
    return kExitNo;
  }
  terminal.out << (json ? content_json(*content) : content_text(*content));
  return kExitOk;
}

}  // namespace sealstream
