// Records as publishers send them, in both modes. Input: the key on a line, headers as "name: value" on a
// line each, an empty line, the value.
//
// An event is the same whoever decodes it, its JSON is in the text form, its strings are such as PostgreSQL
// stores, and no secret is in it. A refused record leaves a tombstone in a chain, and what is kept and said
// of it holds no secret.
#include <string>
#include <vector>

#include "fuzz.h"
#include "json_strings.h"
#include "sealstream/core/event.h"
#include "sealstream/core/json_text.h"
#include "sealstream/core/secrets.h"

namespace sealstream::fuzz {
namespace {

constexpr Timestamp kReceived{std::chrono::microseconds(1'790'899'200'000'000)};

void hold_no_secret(std::string_view json) {
  const auto strings = strings_of(json);
  demand(strings.has_value(), "a json column is JSON");
  for (const std::string& leaf : *strings) demand(!holds_secret(leaf), "no secret in a json column");
}

void check_column(const ColumnInfo& column, std::string_view bytes) {
  if (column.type == ColumnType::text) {
    demand(simdjson::validate_utf8(bytes.data(), bytes.size()), "a text is UTF-8");
    demand(bytes.find('\0') == std::string_view::npos, "no NUL in a text");
    demand(!holds_secret(bytes), "no secret in a text");
  }
  if (column.type == ColumnType::json) {
    demand(json_text(bytes) == bytes, "a json column is in the text form");
    hold_no_secret(bytes);
  }
}

void check_same(const Row& one, const Row& other) {
  for (const ColumnInfo& column : kColumns) {
    const bool there = one.has(column.column);
    demand(there == other.has(column.column), "the same columns, whoever decodes");
    if (there)
      demand(one.bytes(column.column) == other.bytes(column.column), "the same values, whoever decodes");
  }
}

void check(const Record& record, const Event& event) {
  demand(record.key == event.tenant, "the tenant is the key");
  demand(event.row.says(Column::event_id, event.id), "the row has the event's id");
  for (const ColumnInfo& column : kColumns) {
    if (event.row.has(column.column)) check_column(column, event.row.bytes(column.column));
  }
}

void check_kept(std::string_view bytes) {
  const auto strings = strings_of(bytes);
  if (!strings) return demand(!holds_secret(bytes), "no secret in kept bytes");
  for (const std::string& leaf : *strings) demand(!holds_secret(leaf), "no secret in a kept value");
}

void check(const Record& record, const Refusal& refusal) {
  demand(!holds_secret(refusal.message) && !holds_secret(refusal.member_path), "no secret in a refusal");
  demand(!tombstone_tenant(record).empty(), "a tombstone joins a chain");
  demand(tombstone(record, refusal.reason).row.has(Column::event_id), "a tombstone has an id");
  std::vector<std::uint32_t> hits(secret_rules().size());
  const KeptRecord kept = keep(record, hits);
  if (kept.key) demand(!holds_secret(*kept.key), "no secret in a kept key");
  if (kept.value) check_kept(*kept.value);
  for (const auto& [name, value] : kept.headers) {
    demand(!holds_secret(name), "no secret in the name of a kept header");
    if (value) check_kept(*value);
  }
}

}  // namespace
}  // namespace sealstream::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealstream;
  fuzz::Input input(data, size);
  Record record{};
  record.topic = "audit.events.v1";
  record.partition = Partition(3);
  record.offset = Offset(42);
  record.timestamp = fuzz::kReceived;
  if (const std::string_view key = input.line(); !key.empty()) record.key = key;
  std::vector<Header> headers;
  for (std::string_view line = input.line(); !line.empty(); line = input.line()) {
    const std::size_t colon = line.find(": ");
    headers.push_back({line.substr(0, colon), std::nullopt});
    if (colon != std::string_view::npos) headers.back().value = line.substr(colon + 2);
  }
  record.headers = headers;
  record.value = input.all();

  static Decoder used;
  Decoder fresh;
  const Result<Event> first = used.decode(record), second = fresh.decode(record);
  fuzz::demand(first.ok() == second.ok(), "the same verdict, whoever decodes");
  if (first) {
    fuzz::check_same(first.value().row, second.value().row);
    fuzz::check(record, first.value());
  } else {
    fuzz::demand(first.refusal().reason == second.refusal().reason, "the same reason, whoever decodes");
    fuzz::check(record, first.refusal());
  }
  return 0;
}
