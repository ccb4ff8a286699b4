// The ledger's columns as the chain knows them: id, name, type, and whether a column is personal.
// Frozen in schemas/chain-v1.columns.json; a test compares the two. An id is never reused; later columns are
// appended.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sealstream {

/// How a value is encoded (schemas/chain-v1.md, "Types"); the number is the byte that is hashed.
enum class ColumnType : std::uint8_t { text = 1, int64, timestamp, boolean, bytes, decimal, json, ip };

/// The columns that are hashed, by their id. tenant_id, seq and prev_checksum stand in the row record's
/// header instead.
enum class Column : std::uint16_t {
  event_id = 1,
  family = 2,
  action = 3,
  schema_version = 4,
  source = 5,
  event_time = 6,
  recorded_at = 7,
  kafka_topic = 8,
  kafka_log_epoch = 9,
  kafka_partition = 10,
  kafka_offset = 11,
  source_digest = 12,
  status = 13,
  actor_type = 14,
  department_id = 15,
  client_type = 16,
  agent_id = 17,
  trace_id = 18,
  span_id = 19,
  error_type = 20,
  error_code = 21,
  latency_ms = 22,
  http_status = 23,
  rules_version = 24,
  operation = 25,
  provider = 26,
  model = 27,
  route = 28,
  response_id = 29,
  input_tokens = 30,
  output_tokens = 31,
  total_tokens = 32,
  cache_read_tokens = 33,
  cache_write_tokens = 34,
  reasoning_tokens = 35,
  usage_basis = 36,
  cost_usd = 37,
  tool_name = 38,
  tool_type = 39,
  tool_server = 40,
  tool_call_id = 41,
  tool_error = 42,
  key_id = 43,
  key_prefix = 44,
  key_hash = 45,
  key_type = 46,
  request_path = 47,
  response_code = 48,
  response_bytes = 49,
  resource_type = 50,
  digest = 51,
  policies_hit = 52,
  tools_called = 53,
  detail = 54,
  user_id = 55,
  user_email = 56,
  user_name = 57,
  on_behalf_of = 58,
  session_id = 59,
  client_ip = 60,
  user_agent = 61,
  resource_id = 62,
  input_summary = 63,
  output_summary = 64,
  error_message = 65,
  personal_detail = 66,
  personal_key_id = 67,
  personal_commitment = 68,
};

struct ColumnInfo {
  Column column;
  std::string_view name;
  ColumnType type;
  bool personal;  ///< covered by the commitment instead of the row record, and may be erased
};

inline constexpr std::array kColumns = {
    ColumnInfo{Column::event_id, "event_id", ColumnType::text, false},
    ColumnInfo{Column::family, "family", ColumnType::text, false},
    ColumnInfo{Column::action, "action", ColumnType::text, false},
    ColumnInfo{Column::schema_version, "schema_version", ColumnType::int64, false},
    ColumnInfo{Column::source, "source", ColumnType::text, false},
    ColumnInfo{Column::event_time, "event_time", ColumnType::timestamp, false},
    ColumnInfo{Column::recorded_at, "recorded_at", ColumnType::timestamp, false},
    ColumnInfo{Column::kafka_topic, "kafka_topic", ColumnType::text, false},
    ColumnInfo{Column::kafka_log_epoch, "kafka_log_epoch", ColumnType::int64, false},
    ColumnInfo{Column::kafka_partition, "kafka_partition", ColumnType::int64, false},
    ColumnInfo{Column::kafka_offset, "kafka_offset", ColumnType::int64, false},
    ColumnInfo{Column::source_digest, "source_digest", ColumnType::bytes, false},
    ColumnInfo{Column::status, "status", ColumnType::text, false},
    ColumnInfo{Column::actor_type, "actor_type", ColumnType::text, false},
    ColumnInfo{Column::department_id, "department_id", ColumnType::text, false},
    ColumnInfo{Column::client_type, "client_type", ColumnType::text, false},
    ColumnInfo{Column::agent_id, "agent_id", ColumnType::text, false},
    ColumnInfo{Column::trace_id, "trace_id", ColumnType::text, false},
    ColumnInfo{Column::span_id, "span_id", ColumnType::text, false},
    ColumnInfo{Column::error_type, "error_type", ColumnType::text, false},
    ColumnInfo{Column::error_code, "error_code", ColumnType::text, false},
    ColumnInfo{Column::latency_ms, "latency_ms", ColumnType::int64, false},
    ColumnInfo{Column::http_status, "http_status", ColumnType::int64, false},
    ColumnInfo{Column::rules_version, "rules_version", ColumnType::int64, false},
    ColumnInfo{Column::operation, "operation", ColumnType::text, false},
    ColumnInfo{Column::provider, "provider", ColumnType::text, false},
    ColumnInfo{Column::model, "model", ColumnType::text, false},
    ColumnInfo{Column::route, "route", ColumnType::text, false},
    ColumnInfo{Column::response_id, "response_id", ColumnType::text, false},
    ColumnInfo{Column::input_tokens, "input_tokens", ColumnType::int64, false},
    ColumnInfo{Column::output_tokens, "output_tokens", ColumnType::int64, false},
    ColumnInfo{Column::total_tokens, "total_tokens", ColumnType::int64, false},
    ColumnInfo{Column::cache_read_tokens, "cache_read_tokens", ColumnType::int64, false},
    ColumnInfo{Column::cache_write_tokens, "cache_write_tokens", ColumnType::int64, false},
    ColumnInfo{Column::reasoning_tokens, "reasoning_tokens", ColumnType::int64, false},
    ColumnInfo{Column::usage_basis, "usage_basis", ColumnType::text, false},
    ColumnInfo{Column::cost_usd, "cost_usd", ColumnType::decimal, false},
    ColumnInfo{Column::tool_name, "tool_name", ColumnType::text, false},
    ColumnInfo{Column::tool_type, "tool_type", ColumnType::text, false},
    ColumnInfo{Column::tool_server, "tool_server", ColumnType::text, false},
    ColumnInfo{Column::tool_call_id, "tool_call_id", ColumnType::text, false},
    ColumnInfo{Column::tool_error, "tool_error", ColumnType::boolean, false},
    ColumnInfo{Column::key_id, "key_id", ColumnType::text, false},
    ColumnInfo{Column::key_prefix, "key_prefix", ColumnType::text, false},
    ColumnInfo{Column::key_hash, "key_hash", ColumnType::text, false},
    ColumnInfo{Column::key_type, "key_type", ColumnType::text, false},
    ColumnInfo{Column::request_path, "request_path", ColumnType::text, false},
    ColumnInfo{Column::response_code, "response_code", ColumnType::int64, false},
    ColumnInfo{Column::response_bytes, "response_bytes", ColumnType::int64, false},
    ColumnInfo{Column::resource_type, "resource_type", ColumnType::text, false},
    ColumnInfo{Column::digest, "digest", ColumnType::json, false},
    ColumnInfo{Column::policies_hit, "policies_hit", ColumnType::json, false},
    ColumnInfo{Column::tools_called, "tools_called", ColumnType::json, false},
    ColumnInfo{Column::detail, "detail", ColumnType::json, false},
    ColumnInfo{Column::user_id, "user_id", ColumnType::text, true},
    ColumnInfo{Column::user_email, "user_email", ColumnType::text, true},
    ColumnInfo{Column::user_name, "user_name", ColumnType::text, true},
    ColumnInfo{Column::on_behalf_of, "on_behalf_of", ColumnType::text, true},
    ColumnInfo{Column::session_id, "session_id", ColumnType::text, true},
    ColumnInfo{Column::client_ip, "client_ip", ColumnType::ip, true},
    ColumnInfo{Column::user_agent, "user_agent", ColumnType::text, true},
    ColumnInfo{Column::resource_id, "resource_id", ColumnType::text, true},
    ColumnInfo{Column::input_summary, "input_summary", ColumnType::text, true},
    ColumnInfo{Column::output_summary, "output_summary", ColumnType::text, true},
    ColumnInfo{Column::error_message, "error_message", ColumnType::text, true},
    ColumnInfo{Column::personal_detail, "personal_detail", ColumnType::json, true},
    ColumnInfo{Column::personal_key_id, "personal_key_id", ColumnType::text, false},
    ColumnInfo{Column::personal_commitment, "personal_commitment", ColumnType::bytes, false},
};
inline constexpr std::size_t kColumnCount = kColumns.size();

constexpr const ColumnInfo& info(Column column) { return kColumns[static_cast<std::size_t>(column) - 1]; }

}  // namespace sealstream
