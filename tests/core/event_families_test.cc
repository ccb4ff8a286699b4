// Goal: every member of every family lands in its column, in both CloudEvents modes and as bare JSON.
// Method: one event a family with all its members, compared column by column with what the contract says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "publisher.h"
#include "sealstream/core/event.h"

namespace sealstream::test {
namespace {

using Expected = std::map<Column, std::string>;

/// All columns that are set.
Expected columns_of(const Row& row) {
  Expected columns;
  for (const ColumnInfo& info : kColumns) {
    if (row.has(info.column)) columns[info.column] = column(row, info.column);
  }
  return columns;
}

/// What every event of this file has.
Expected common(Family family, std::string_view action) {
  return {{Column::event_id, "01JD0000000000000000000001"},
          {Column::family, std::string(name(family))},
          {Column::action, std::string(action)},
          {Column::schema_version, "1"},
          {Column::source, "gateway"},
          {Column::event_time, "1737710446847371"},
          {Column::kafka_topic, "audit.events.v1"},
          {Column::kafka_log_epoch, "0"},
          {Column::kafka_partition, "3"},
          {Column::kafka_offset, "42"},
          {Column::rules_version, "1"},
          {Column::status, "success"},
          {Column::actor_type, "user"},
          {Column::user_id, "u-1"}};
}

class EveryMode : public testing::TestWithParam<Mode> {
 protected:
  Expected decoded(Family family, const Data& data, std::string_view type = {}) {
    Published published(family, GetParam());
    if (!type.empty()) published.attribute("type", type);
    published.with(data);
    Decoder decoder;
    auto event = decoder.decode(published.record());
    if (!event) {
      ADD_FAILURE() << name(event.refusal().reason) << " " << event.refusal().member_path << " "
                    << event.refusal().message;
      return {};
    }
    EXPECT_EQ(event.value().tenant, "acme");
    EXPECT_EQ(event.value().id, "01JD0000000000000000000001");
    EXPECT_EQ(event.value().family, family);
    EXPECT_EQ(event.value().time.time_since_epoch().count(), 1737710446847371);
    return columns_of(event.value().row);
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, EveryMode, testing::Values(Mode::binary, Mode::structured, Mode::bare));

TEST_P(EveryMode, CommonMembersHaveColumns) {
  Data data = minimal(Family::auth);
  data.set("actor.email", in_quotes("ann@example.org")).set("actor.name", in_quotes("Ann"));
  data.set("on_behalf_of", in_quotes("u-2"))
      .set("department_id", in_quotes("d-7"))
      .set("session_id", in_quotes("s-1"));
  data.set("client.type", in_quotes("cli"))
      .set("client.ip", in_quotes("192.0.2.7"))
      .set("client.user_agent", in_quotes("ua"));
  data.set("error.type", in_quotes("Timeout"))
      .set("error.code", in_quotes("504"))
      .set("error.message", in_quotes("slow"));
  data.set("trace_id", in_quotes("t-1")).set("span_id", in_quotes("sp-1")).set("agent_id", in_quotes("a-1"));
  data.set("detail", R"({"b":1,"a":"x"})");
  Expected expected = common(Family::auth, "login");
  expected.insert({{Column::user_email, "ann@example.org"},
                   {Column::user_name, "Ann"},
                   {Column::on_behalf_of, "u-2"},
                   {Column::department_id, "d-7"},
                   {Column::session_id, "s-1"},
                   {Column::client_type, "cli"},
                   {Column::client_ip, std::string("\2\x20\0\4\xC0\0\2\7", 8)},
                   {Column::user_agent, "ua"},
                   {Column::error_type, "Timeout"},
                   {Column::error_code, "504"},
                   {Column::error_message, "slow"},
                   {Column::trace_id, "t-1"},
                   {Column::span_id, "sp-1"},
                   {Column::agent_id, "a-1"},
                   {Column::detail, R"({"method": "sso"})"},
                   {Column::personal_detail, R"({"data": {"detail": {"a": "x", "b": 1}}})"}});
  EXPECT_EQ(decoded(Family::auth, data), expected);
}

TEST_P(EveryMode, LlmCallsHaveTheirColumns) {
  Data data = minimal(Family::llm_call);
  data.set("request_model", in_quotes("gpt-4o-latest"))
      .set("route", in_quotes("r"))
      .set("response_id", in_quotes("resp-1"));
  data.set("usage.cache_read_tokens", "1")
      .set("usage.cache_write_tokens", "2")
      .set("usage.reasoning_tokens", "3");
  data.set("usage.basis", in_quotes("inclusive")).set("cost_usd", "0.00022500000000000002");
  data.set("ttft_ms", "90").set("stream", "true").set("cache_hit", "false").set("attempt", "2");
  data.set("http_status", "200").set("finish_reasons", R"(["stop","length"])");
  data.set("key.key_id", in_quotes("k-1"))
      .set("key.key_prefix", in_quotes("msys_ab"))
      .set("key.name", in_quotes("Ann's key"));
  data.set("key.key_hash", in_quotes(std::string(64, 'a'))).set("key.key_type", in_quotes("user"));
  data.set("digest", R"({"request":"r1","alg":"blake2b","response":"r2"})");
  data.set("input_summary", in_quotes("in")).set("output_summary", in_quotes("out"));
  data.set(
      "policies_hit",
      R"([{"policy_id":"p","rule_id":"1","verdict":"deny","action":"block","severity":"high"},{"code":"c"}])");
  data.set("tools_called", R"([{"name":"search","call_id":"c1"}])").set("tags", R"(["a","b"])");
  Expected expected = common(Family::llm_call, "completed");
  expected.insert(
      {{Column::operation, "chat"},
       {Column::provider, "openai"},
       {Column::model, "gpt-4o"},
       {Column::route, "r"},
       {Column::response_id, "resp-1"},
       {Column::input_tokens, "10"},
       {Column::output_tokens, "20"},
       {Column::total_tokens, "30"},
       {Column::cache_read_tokens, "1"},
       {Column::cache_write_tokens, "2"},
       {Column::reasoning_tokens, "3"},
       {Column::usage_basis, "inclusive"},
       {Column::cost_usd, "0.000225"},
       {Column::latency_ms, "812"},
       {Column::http_status, "200"},
       {Column::key_id, "k-1"},
       {Column::key_prefix, "msys_ab"},
       {Column::key_hash, std::string(64, 'a')},
       {Column::key_type, "user"},
       {Column::input_summary, "in"},
       {Column::output_summary, "out"},
       {Column::digest, R"({"alg": "blake2b", "request": "r1", "response": "r2"})"},
       {Column::policies_hit,
        R"([{"action": "block", "rule_id": "1", "verdict": "deny", "severity": "high", "policy_id": "p"}, {"code": "c"}])"},
       {Column::tools_called, R"([{"name": "search", "call_id": "c1"}])"},
       {Column::detail,
        R"({"stream": true, "attempt": 2, "ttft_ms": 90, "cache_hit": false, "request_model": "gpt-4o-latest", "finish_reasons": ["stop", "length"]})"},
       {Column::personal_detail, R"({"data": {"key": {"name": "Ann's key"}, "tags": ["a", "b"]}})"}});
  EXPECT_EQ(decoded(Family::llm_call, data), expected);
}

TEST_P(EveryMode, ToolInvocationsHaveTheirColumns) {
  Data data = minimal(Family::tool_invocation);
  data.set("tool.type", in_quotes("mcp")).set("tool.server", in_quotes("https://mcp.example:8443/path?x=1"));
  data.set("tool.call_id", in_quotes("c-1")).set("outcome.transport_status", in_quotes("ok"));
  data.set("outcome.rpc_error_code", "-32602").set("outcome.tool_error", "true");
  data.set("args_digest", in_quotes("a"))
      .set("result_digest", in_quotes("r"))
      .set("args_bytes", "7")
      .set("result_bytes", "9");
  data.set("args_summary", in_quotes("args"))
      .set("result_summary", in_quotes("result"))
      .set("decision", in_quotes("allow"));
  data.set("cost_usd", in_quotes("0.5000"));
  Expected expected = common(Family::tool_invocation, "completed");
  expected.insert(
      {{Column::tool_name, "search"},
       {Column::tool_type, "mcp"},
       {Column::tool_server, "https://mcp.example:8443"},
       {Column::tool_call_id, "c-1"},
       {Column::tool_error, "true"},
       {Column::latency_ms, "5"},
       {Column::cost_usd, "0.5"},
       {Column::input_summary, "args"},
       {Column::output_summary, "result"},
       {Column::detail,
        R"({"outcome": {"rpc_error_code": -32602, "transport_status": "ok"}, "decision": "allow", "args_bytes": 7, "args_digest": "a", "result_bytes": 9, "result_digest": "r"})"}});
  EXPECT_EQ(decoded(Family::tool_invocation, data), expected);
}

TEST_P(EveryMode, EscalationsHaveTheirColumns) {
  Data data = minimal(Family::escalation);
  data.set("from_agent_id", in_quotes("a-1"))
      .set("to", in_quotes("bob"))
      .set("reason", in_quotes("too dear"));
  data.set("conversation_id", in_quotes("conv"))
      .set("severity", in_quotes("low"))
      .set("source_event_id", in_quotes("e-1"));
  Expected expected = common(Family::escalation, "created");
  expected.insert(
      {{Column::detail,
        R"({"kind": "approval", "severity": "low", "reason_code": "limit", "from_agent_id": "a-1", "source_event_id": "e-1"})"},
       {Column::personal_detail,
        R"({"data": {"to": "bob", "reason": "too dear", "conversation_id": "conv"}})"}});
  EXPECT_EQ(decoded(Family::escalation, data), expected);
}

TEST_P(EveryMode, ApiKeyEventsHaveTheirColumns) {
  Data data = minimal(Family::api_key);
  data.set("request_path", in_quotes("/v1/chat?token=abc#x"))
      .set("method", in_quotes("POST"))
      .set("response_code", in_quotes("200"));
  data.set("response_bytes", "1024").set("expires_at", in_quotes("2026-01-01T00:00:00Z"));
  data.set("grace_period_end", in_quotes("2026-01-02T00:00:00+02:00"))
      .set("rotation_reason", in_quotes("leaked by Ann"));
  data.set("permissions_before", R"(["read"])")
      .set("permissions_after", R"(["read","write"])")
      .set("rpm_limit", "60");
  Expected expected = common(Family::api_key, "used");
  expected.insert(
      {{Column::key_id, "key-1"},
       {Column::request_path, "/v1/chat"},
       {Column::response_code, "200"},
       {Column::response_bytes, "1024"},
       {Column::detail,
        R"({"method": "POST", "rpm_limit": 60, "expires_at": "2026-01-01T00:00:00Z", "grace_period_end": "2026-01-02T00:00:00+02:00", "permissions_after": ["read", "write"], "permissions_before": ["read"]})"},
       {Column::personal_detail, R"({"data": {"rotation_reason": "leaked by Ann"}})"}});
  EXPECT_EQ(decoded(Family::api_key, data), expected);
}

TEST_P(EveryMode, AdminEventsHaveTheirColumns) {
  Data data = minimal(Family::admin);
  data.set("resource.id", in_quotes("role-9"))
      .set("before", R"({"role":"viewer"})")
      .set("after", in_quotes("admin"));
  data.set("reason", in_quotes("asked for"))
      .set("rows", "12")
      .set("bytes", "4096")
      .set("erased_seqs", "[[1,3],[7,7]]");
  Expected expected = common(Family::admin, "erase");
  expected.insert({{Column::resource_type, "role"},
                   {Column::resource_id, "role-9"},
                   {Column::detail, R"({"rows": 12, "bytes": 4096, "erased_seqs": [[1, 3], [7, 7]]})"},
                   {Column::personal_detail,
                    R"({"data": {"after": "admin", "before": {"role": "viewer"}, "reason": "asked for"}})"}});
  EXPECT_EQ(decoded(Family::admin, data, "audit.admin.erase.v1"), expected);
}

TEST_P(EveryMode, AuthEventsHaveTheirColumns) {
  Data data = minimal(Family::auth);
  data.set("mfa", "true").set("failure_code", in_quotes("expired")).set("idp", in_quotes("okta"));
  Expected expected = common(Family::auth, "login");
  expected.insert(
      {{Column::detail, R"({"idp": "okta", "mfa": true, "method": "sso", "failure_code": "expired"})"}});
  EXPECT_EQ(decoded(Family::auth, data), expected);
}

TEST_P(EveryMode, UnknownMembersAreKeptUnderTheirNesting) {
  Data data = minimal(Family::llm_call);
  data.set("usage.audio_tokens", "5")
      .set("actor.team", in_quotes("red"))
      .set("novel", R"({"x":[1.50,null,{}],"é":"ü"})");
  data.set("policies_hit", R"([{"code":"a"},{"code":"b","score":0.9}])")
      .set("digest", R"({"alg":"x","salt":"y"})");
  data.set("nothing", "null").set("usage.basis", "null");
  const Expected columns = decoded(Family::llm_call, data);
  EXPECT_EQ(
      columns.at(Column::personal_detail),
      R"({"data": {"actor": {"team": "red"}, "novel": {"x": [1.50, null, {}], "é": "ü"}, "usage": {"audio_tokens": 5}, "digest": {"salt": "y"}, "policies_hit": {"1": {"score": 0.9}}}})");
  EXPECT_EQ(columns.at(Column::policies_hit), R"([{"code": "a"}, {"code": "b"}])");
  EXPECT_EQ(columns.at(Column::digest), R"({"alg": "x"})");
  EXPECT_FALSE(columns.contains(Column::usage_basis));
}

TEST_P(EveryMode, EmptyObjectsAreNullAndEmptyTextsStay) {
  Data data = minimal(Family::llm_call);
  data.set("digest", "{}")
      .set("detail", "{}")
      .set("key", "{}")
      .set("route", in_quotes(""))
      .set("policies_hit", "[]");
  Expected expected = common(Family::llm_call, "completed");
  const Expected columns = decoded(Family::llm_call, data);
  EXPECT_FALSE(columns.contains(Column::digest));
  EXPECT_FALSE(columns.contains(Column::detail));
  EXPECT_FALSE(columns.contains(Column::personal_detail));
  EXPECT_EQ(columns.at(Column::route), "");
  EXPECT_EQ(columns.at(Column::policies_hit), "[]");
}

}  // namespace
}  // namespace sealstream::test
