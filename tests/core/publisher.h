// What the decoder's tests publish: valid events of every family, changed member by member, as records.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sealstream/core/event.h"
#include "sealstream/core/record.h"

namespace sealstream::test {

/// A JSON object under construction: values are JSON texts, found by paths such as "usage.input_tokens".
class Data {
 public:
  Data& set(std::string_view path, std::string_view json) {
    for (auto& [known, value] : members_) {
      if (known == path) return value = json, *this;
    }
    members_.emplace_back(path, json);
    return *this;
  }
  Data& drop(std::string_view path) {
    std::erase_if(members_, [path](const auto& member) {
      return member.first == path || member.first.starts_with(std::string(path) + ".");
    });
    return *this;
  }
  std::string json() const { return json_of(members_); }

 private:
  using Members = std::vector<std::pair<std::string, std::string>>;

  static std::string json_of(const Members& members) {
    std::string json;
    std::vector<std::string> done;
    for (const auto& [path, value] : members) {
      const std::string name = path.substr(0, path.find('.'));
      if (std::ranges::find(done, name) != done.end()) continue;
      done.push_back(name);
      json += json.empty() ? "{" : ",";
      json += '"' + name + "\":" + (name == path ? value : json_of(below(members, name)));
    }
    return json.empty() ? "{}" : json + "}";
  }
  static Members below(const Members& members, const std::string& name) {
    Members inner;
    for (const auto& [path, value] : members) {
      if (path.starts_with(name + ".")) inner.emplace_back(path.substr(name.size() + 1), value);
    }
    return inner;
  }

  Members members_;
};

inline std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

/// The least that each family accepts.
inline Data minimal(Family family) {
  Data data;
  data.set("status", in_quotes("success"))
      .set("actor.type", in_quotes("user"))
      .set("actor.id", in_quotes("u-1"));
  switch (family) {
    case Family::llm_call:
      data.set("operation", in_quotes("chat"))
          .set("provider", in_quotes("openai"))
          .set("model", in_quotes("gpt-4o"));
      data.set("usage.input_tokens", "10").set("usage.output_tokens", "20").set("usage.total_tokens", "30");
      return data.set("latency_ms", "812");
    case Family::tool_invocation:
      return data.set("tool.name", in_quotes("search"))
          .set("outcome.tool_error", "false")
          .set("latency_ms", "5");
    case Family::escalation:
      return data.set("kind", in_quotes("approval")).set("reason_code", in_quotes("limit"));
    case Family::api_key:
      return data.set("key.key_id", in_quotes("key-1"));
    case Family::admin:
      return data.set("resource.type", in_quotes("role"));
    default:
      return data.set("method", in_quotes("sso"));
  }
}

inline std::string_view usual_type(Family family) {
  switch (family) {
    case Family::llm_call:
      return "audit.llm_call.completed.v1";
    case Family::tool_invocation:
      return "audit.tool_invocation.completed.v1";
    case Family::escalation:
      return "audit.escalation.created.v1";
    case Family::api_key:
      return "audit.api_key.used.v1";
    case Family::admin:
      return "audit.admin.role_change.v1";
    default:
      return "audit.auth.login.v1";
  }
}

enum class Mode { binary, structured, bare };

/// One record and the bytes that it views.
class Published {
 public:
  Published() = default;
  Published(Family family, Mode mode) : mode(mode), data(minimal(family).json()) {
    attributes = {{"specversion", "1.0"},
                  {"id", "01JD0000000000000000000001"},
                  {"source", "gateway"},
                  {"type", std::string(usual_type(family))},
                  {"time", "2025-01-24T09:20:46.847371Z"},
                  {"tenantid", "acme"}};
  }

  Published& attribute(std::string_view name, std::string_view text) {
    for (auto& [known, value] : attributes) {
      if (known == name) return value = text, *this;
    }
    attributes.emplace_back(name, text);
    return *this;
  }
  Published& without(std::string_view name) {
    std::erase_if(attributes, [name](const auto& attribute) { return attribute.first == name; });
    return *this;
  }
  Published& with(const Data& changed) { return data = changed.json(), *this; }
  Published& header(std::string_view name, std::optional<std::string> value) {
    extra_headers.emplace_back(name, std::move(value));
    return *this;
  }

  /// The record; it lives with this object, until the next call.
  Record record() {
    names_and_values_.clear();
    headers_.clear();
    if (mode == Mode::binary) {
      for (const auto& [name, text] : attributes) names_and_values_.emplace_back("ce_" + name, text);
      value_ = data;
    } else {
      if (mode == Mode::structured)
        names_and_values_.emplace_back("content-type", "application/cloudevents+json");
      Data event;
      for (const auto& [name, text] : attributes) event.set(name, in_quotes(text));
      value_ = event.set("data", data).json();
    }
    for (const auto& header : extra_headers) names_and_values_.push_back(header);
    for (const auto& [name, value] : names_and_values_) headers_.push_back({name, value});
    if (value) value_ = *value;
    Record record{topic, LogEpoch(0), Partition(3), Offset(42), timestamp, key, value_, headers_};
    if (null_value) record.value.reset();
    return record;
  }

  Mode mode = Mode::binary;
  std::string topic = "audit.events.v1";
  Timestamp timestamp{std::chrono::microseconds(1'737'710'447'000'000)};  // 2025-01-24T09:20:47Z
  std::optional<std::string> key = "acme";
  std::vector<std::pair<std::string, std::string>> attributes;  ///< names, and texts without quotes
  std::string data;
  std::vector<std::pair<std::string, std::optional<std::string>>> extra_headers;
  std::optional<std::string> value;  ///< in place of the event
  bool null_value = false;

 private:
  std::string value_;
  std::vector<std::pair<std::string, std::optional<std::string>>> names_and_values_;
  std::vector<Header> headers_;
};

/// A row's value as a person would write it; "NULL" where it is not set.
inline std::string column(const Row& row, Column column) {
  if (!row.has(column)) return "NULL";
  switch (info(column).type) {
    case ColumnType::int64:
    case ColumnType::timestamp:
      return std::to_string(row.int_value(column));
    case ColumnType::boolean:
      return row.bytes(column) == std::string_view("\1", 1) ? "true" : "false";
    default:
      return std::string(row.bytes(column));
  }
}

}  // namespace sealstream::test
