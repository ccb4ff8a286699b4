#include "core/member_table.h"

#include <algorithm>
#include <cassert>

namespace sealstream {
namespace {

using enum MemberKind;

constexpr std::uint8_t kLlm = bit(Family::llm_call);
constexpr std::uint8_t kTool = bit(Family::tool_invocation);
constexpr std::uint8_t kEscalation = bit(Family::escalation);
constexpr std::uint8_t kKey = bit(Family::api_key);
constexpr std::uint8_t kAdmin = bit(Family::admin);
constexpr std::uint8_t kAuth = bit(Family::auth);
constexpr std::uint8_t kEvery = kLlm | kTool | kEscalation | kKey | kAdmin | kAuth;
constexpr bool kRequired = true;
constexpr std::uint32_t kKiB = 1024;

constexpr Member column(std::uint8_t families, std::string_view path, MemberKind kind, std::uint32_t bound,
                        Column column, bool required = false, std::string_view names = {}) {
  return {path, names, bound, column, families, kind, Place::column, required};
}
constexpr Member detail(std::uint8_t families, std::string_view path, MemberKind kind,
                        std::uint32_t bound = kDefaultBound, bool required = false,
                        std::string_view names = {}) {
  return {path, names, bound, Column::detail, families, kind, Place::detail, required};
}
constexpr Member personal(std::uint8_t families, std::string_view path, MemberKind kind,
                          std::uint32_t bound = kDefaultBound) {
  return {path, {}, bound, Column::personal_detail, families, kind, Place::personal_detail, false};
}

// clang-format off
constexpr Member kMembers[] = {
    // All families. actor.id is required too, unless actor.type is anonymous.
    column(kEvery, "status", choice, 0, Column::status, kRequired, "success failure partial denied"),
    column(kEvery, "actor.type", choice, 0, Column::actor_type, kRequired,
           "user service api_key agent end_user system anonymous"),
    column(kEvery, "actor.id", text, 128, Column::user_id),
    column(kEvery, "actor.email", text, 254, Column::user_email),
    column(kEvery, "actor.name", text, 128, Column::user_name),
    column(kEvery, "on_behalf_of", text, 128, Column::on_behalf_of),
    column(kEvery, "department_id", text, 64, Column::department_id),
    column(kEvery, "session_id", text, 128, Column::session_id),
    column(kEvery, "client.type", text, 32, Column::client_type),
    column(kEvery, "client.ip", address, 0, Column::client_ip),
    column(kEvery, "client.user_agent", cut_text, 512, Column::user_agent),
    column(kEvery, "error.type", text, 128, Column::error_type),
    column(kEvery, "error.code", text, 32, Column::error_code),
    column(kEvery, "error.message", cut_text, 1'024, Column::error_message),
    column(kEvery, "trace_id", text, 64, Column::trace_id),
    column(kEvery, "span_id", text, 64, Column::span_id),
    column(kEvery, "agent_id", text, 64, Column::agent_id),
    personal(kEvery, "detail", object, 32 * kKiB),

    // llm_call. usage.input_tokens and usage.total_tokens are required too on success, and
    // usage.output_tokens where the operation makes text.
    column(kLlm, "operation", text, 32, Column::operation, kRequired),
    column(kLlm, "provider", text, 64, Column::provider, kRequired),
    column(kLlm, "model", text, 256, Column::model, kRequired),
    detail(kLlm, "request_model", text),
    column(kLlm, "route", text, 128, Column::route),
    column(kLlm, "response_id", text, 256, Column::response_id),
    column(kLlm, "usage.input_tokens", integer, 0, Column::input_tokens),
    column(kLlm, "usage.output_tokens", integer, 0, Column::output_tokens),
    column(kLlm, "usage.total_tokens", integer, 0, Column::total_tokens),
    column(kLlm, "usage.cache_read_tokens", integer, 0, Column::cache_read_tokens),
    column(kLlm, "usage.cache_write_tokens", integer, 0, Column::cache_write_tokens),
    column(kLlm, "usage.reasoning_tokens", integer, 0, Column::reasoning_tokens),
    column(kLlm, "usage.basis", choice, 0, Column::usage_basis, false, "inclusive exclusive"),
    column(kLlm | kTool, "cost_usd", money, 0, Column::cost_usd),
    column(kLlm | kTool, "latency_ms", integer, 0, Column::latency_ms, kRequired),
    detail(kLlm, "ttft_ms", integer),
    detail(kLlm, "stream", boolean),
    detail(kLlm, "cache_hit", boolean),
    detail(kLlm, "attempt", integer),
    column(kLlm, "http_status", integer, 0, Column::http_status),
    detail(kLlm, "finish_reasons", texts, kDefaultItems),
    column(kLlm, "digest", record, 0, Column::digest, false, "alg request response"),
    column(kLlm, "input_summary", cut_text, 1'000, Column::input_summary),
    column(kLlm, "output_summary", cut_text, 1'000, Column::output_summary),
    column(kLlm, "policies_hit", records, 64, Column::policies_hit, false,
           "policy_id rule_id code verdict action severity"),
    column(kLlm, "tools_called", records, 128, Column::tools_called, false, "name call_id"),
    personal(kLlm, "tags", texts, kDefaultItems),

    // llm_call and api_key. key.key_id is required for api_key, but for auth_failed of an unknown key.
    column(kLlm | kKey, "key.key_id", text, 48, Column::key_id),
    column(kLlm | kKey, "key.key_prefix", text, 8, Column::key_prefix),
    column(kLlm | kKey, "key.key_hash", key_hash, 0, Column::key_hash),
    column(kLlm | kKey, "key.key_type", choice, 0, Column::key_type, false,
           "system user service integration emergency other"),
    personal(kLlm | kKey, "key.name", text),

    // tool_invocation
    column(kTool, "tool.name", text, 256, Column::tool_name, kRequired),
    column(kTool, "tool.type", text, kDefaultBound, Column::tool_type),
    column(kTool, "tool.server", origin, 256, Column::tool_server),
    column(kTool, "tool.call_id", text, 128, Column::tool_call_id),
    detail(kTool, "outcome.transport_status", text_or_integer),
    detail(kTool, "outcome.rpc_error_code", signed_integer),
    column(kTool, "outcome.tool_error", boolean, 0, Column::tool_error, kRequired),
    detail(kTool, "args_digest", text),
    detail(kTool, "result_digest", text),
    detail(kTool, "args_bytes", integer),
    detail(kTool, "result_bytes", integer),
    column(kTool, "args_summary", cut_text, 500, Column::input_summary),
    column(kTool, "result_summary", cut_text, 500, Column::output_summary),
    detail(kTool, "decision", text),

    // escalation
    detail(kEscalation, "kind", choice, 0, kRequired, "human_handoff agent_handoff guardrail approval"),
    detail(kEscalation, "from_agent_id", text),
    personal(kEscalation, "to", text, 128),
    detail(kEscalation, "reason_code", text, 64, kRequired),
    personal(kEscalation, "reason", cut_text, 500),
    personal(kEscalation, "conversation_id", text, 128),
    detail(kEscalation, "severity", text),
    detail(kEscalation, "source_event_id", text),

    // api_key
    column(kKey, "request_path", path, 512, Column::request_path),
    detail(kKey, "method", text),
    column(kKey, "response_code", integer, 0, Column::response_code),
    column(kKey, "response_bytes", integer, 0, Column::response_bytes),
    detail(kKey, "expires_at", time),
    detail(kKey, "grace_period_end", time),
    personal(kKey, "rotation_reason", text, 256),
    detail(kKey, "permissions_before", texts, kDefaultItems),
    detail(kKey, "permissions_after", texts, kDefaultItems),
    detail(kKey, "rpm_limit", integer),

    // admin. erased_seqs stands in the events that an erasure publishes: it must outlive what is erased.
    column(kAdmin, "resource.type", text, 50, Column::resource_type, kRequired),
    column(kAdmin, "resource.id", text, 128, Column::resource_id),
    personal(kAdmin, "before", any, 16 * kKiB),
    personal(kAdmin, "after", any, 16 * kKiB),
    personal(kAdmin, "reason", text, 256),
    detail(kAdmin, "rows", integer),
    detail(kAdmin, "bytes", integer),
    detail(kAdmin, "erased_seqs", ranges, 1'000),

    // auth
    detail(kAuth, "method", choice, 0, kRequired, "qrcode sso password api_key mtls oauth"),
    detail(kAuth, "mfa", text_or_boolean, 64),
    detail(kAuth, "failure_code", text, 64),
    detail(kAuth, "idp", text, 64),
};
// clang-format on
static_assert(std::size(kMembers) <= kMostMembers);

std::string_view first_part(std::string_view path) { return path.substr(0, path.find('.')); }

}  // namespace

std::span<const Member> members() { return kMembers; }

std::size_t member_index(std::string_view path) {
  for (std::size_t i = 0; i < std::size(kMembers); ++i) {
    if (kMembers[i].path == path) return i;
  }
  assert(false);
  return 0;
}

bool is_one_of(std::string_view word, std::string_view names) {
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(' '));
    if (name == word) return true;
    names.remove_prefix(std::min(name.size() + 1, names.size()));
  }
  return false;
}

const MemberLevel& MemberLevel::of(Family family) {
  static const auto kLevels = [] {
    std::array<MemberLevel, kPublishedFamilies> levels;
    for (std::size_t i = 0; i < std::size(kMembers); ++i) {
      for (std::size_t f = 0; f < levels.size(); ++f) {
        if ((kMembers[i].families & bit(static_cast<Family>(f))) != 0) levels[f].add(kMembers[i].path, i);
      }
    }
    return levels;
  }();
  return kLevels[static_cast<std::size_t>(family)];
}

std::size_t MemberLevel::slot(std::string_view name) {
  if (name.empty()) return 0;
  const auto at = [name](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(name[i]));
  };
  return (name.size() * 11 + at(0) * 31 + at(name.size() / 2) * 7 + at(name.size() - 1)) % kSlots;
}

const MemberLevel::Entry* MemberLevel::find(std::string_view name) const {
  for (std::size_t i = slot(name); !slots_[i].name.empty(); i = (i + 1) % kSlots) {
    if (slots_[i].name == name) return &slots_[i];
  }
  return nullptr;
}

MemberLevel::Entry& MemberLevel::insert(std::string_view name) {
  std::size_t i = slot(name);
  while (!slots_[i].name.empty() && slots_[i].name != name) i = (i + 1) % kSlots;
  slots_[i].name = name;
  return slots_[i];
}

void MemberLevel::add(std::string_view path, std::size_t member) {
  const std::string_view name = first_part(path);
  Entry& entry = insert(name);
  if (name == path) {
    entry.member = member;
    return;
  }
  if (!entry.below) entry.below = std::make_unique<MemberLevel>();
  entry.below->add(path.substr(name.size() + 1), member);
}

}  // namespace sealstream
