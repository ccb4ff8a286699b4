// Goal: what real upstream systems emit fits into the contract, and is kept whole where it does not fit a
// column. Method: their published payloads (tests/data/SOURCES.md), mapped as their adapters would map them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/json_tree.h"
#include "core/scalars.h"
#include "publisher.h"
#include "sealstream/core/event.h"
#include "sealstream/core/json_text.h"

namespace sealstream::test {
namespace {

using testing::HasSubstr;

std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::filesystem::path samples() {
  return std::filesystem::path(SEALSTREAM_SOURCE_DIR) / "tests/data/samples";
}

/// A payload, whose members are found by paths such as "response/usage/prompt_tokens".
class Sample {
 public:
  explicit Sample(std::string json) : json_(std::move(json)) {
    EXPECT_FALSE(tree_.parse(json_, {1'000, 1'000'000, false}));
  }
  static Sample of(std::string_view file) { return Sample(file_text(samples() / file)); }

  const std::string& json() const { return json_; }
  std::string json(std::string_view path) const {
    std::string text;
    const JsonNode* node = find(path);
    EXPECT_NE(node, nullptr) << path;
    if (node != nullptr) append_text_form(text, tree_, *node);
    return text;
  }
  std::string text(std::string_view path) const { return std::string(find(path)->text); }
  bool has(std::string_view path) const { return find(path) != nullptr; }

 private:
  const JsonNode* find(std::string_view path) const {
    const JsonNode* node = &tree_.root();
    while (node != nullptr && !path.empty()) {
      const std::string_view name = path.substr(0, path.find('/'));
      node = tree_.child(*node, name);
      path.remove_prefix(std::min(name.size() + 1, path.size()));
    }
    return node;
  }

  std::string json_;
  JsonTree tree_;
};

Row decoded(Published published) {
  Decoder decoder;
  auto event = decoder.decode(published.record());
  EXPECT_TRUE(event.ok()) << (event ? "" : event.refusal().member_path + ": " + event.refusal().message);
  return event ? event.value().row : Row{};
}

TEST(Samples, AreKeptWholeAsUnknownMembers) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(samples())) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path());
    const std::string json = file_text(entry.path());
    for (const Mode mode : {Mode::binary, Mode::structured, Mode::bare}) {
      Published published(Family::auth, mode);
      published.with(minimal(Family::auth).set("upstream", json));
      EXPECT_EQ(column(decoded(published), Column::personal_detail),
                R"({"data": {"upstream": )" + *json_text(json) + "}}");
    }
    ++count;
  }
  EXPECT_EQ(count, 16);
}

TEST(Samples, OfLiteLlmAreCalls) {
  const Sample sample = Sample::of("litellm/standard_logging_payload.json");
  Data data = minimal(Family::llm_call);
  data.set("provider", sample.json("custom_llm_provider")).set("model", sample.json("model"));
  data.set("usage.input_tokens", sample.json("prompt_tokens"))
      .set("usage.total_tokens", sample.json("total_tokens"));
  data.set("usage.output_tokens", sample.json("completion_tokens"))
      .set("cost_usd", sample.json("response_cost"));
  data.set("response_id", sample.json("id"))
      .set("stream", sample.json("stream"))
      .set("trace_id", sample.json("trace_id"));
  data.set("client.ip", sample.json("requester_ip_address")).set("tags", sample.json("request_tags"));
  data.set("metadata", sample.json("metadata"));
  const Row row = decoded(Published(Family::llm_call, Mode::binary).with(data));
  EXPECT_EQ(column(row, Column::cost_usd), "0.000225") << "0.00022500000000000002 on the wire";
  EXPECT_EQ(column(row, Column::model), "gpt-4o");
  EXPECT_EQ(column(row, Column::total_tokens), "30");
  EXPECT_EQ(column(row, Column::trace_id), "NULL");
  EXPECT_EQ(column(row, Column::client_ip), "NULL");
  EXPECT_EQ(column(row, Column::detail), R"({"stream": true})");
}

TEST(Samples, OfEnvoyAreCallsAndInvocations) {
  const Sample call = Sample::of("envoy-ai-gateway/access_log_llm.json");
  Data data = minimal(Family::llm_call);
  data.set("provider", call.json("gen_ai.provider.name")).set("model", call.json("gen_ai.request.model"));
  data.set("usage.input_tokens", call.json("gen_ai.usage.input_tokens"));
  data.set("usage.output_tokens", call.json("gen_ai.usage.output_tokens"));
  data.set("usage.total_tokens", call.json("gen_ai.usage.total_tokens"))
      .set("latency_ms", call.json("duration"));
  data.set("client.ip", call.json("downstream_remote_address"))
      .set("client.user_agent", call.json("user-agent"));
  data.set("http_status", call.json("response_code")).set("route", call.json("route_name"));
  Published published(Family::llm_call, Mode::structured);
  published.timestamp = *parse_time("2025-08-30T16:51:40Z");
  const Row row = decoded(published.attribute("time", call.text("start_time")).with(data));
  EXPECT_EQ(column(row, Column::client_ip), std::string("\2\x20\0\4\x7F\0\0\1", 8))
      << "127.0.0.1:64484 on the wire";
  EXPECT_EQ(column(row, Column::latency_ms), "1526");

  const Sample tool = Sample::of("envoy-ai-gateway/access_log_mcp.json");
  Data invocation = minimal(Family::tool_invocation);
  invocation.set("tool.name", tool.json("mcp.provider.name")).set("tool.type", in_quotes("mcp"));
  invocation.set("tool.call_id", tool.json("jsonrpc.request.id")).set("latency_ms", tool.json("duration"));
  invocation.set("outcome.transport_status", tool.json("response_code"))
      .set("session_id", tool.json("mcp.session.id"));
  const Row stored = decoded(Published(Family::tool_invocation, Mode::binary).with(invocation));
  EXPECT_EQ(column(stored, Column::tool_call_id), "3");
  EXPECT_EQ(column(stored, Column::detail), R"({"outcome": {"transport_status": 200}})");
}

/// The event that an OpenAI audit log entry becomes.
Published from_openai(const Sample& entry) {
  const std::string type = entry.text("log/type");
  const bool is_login = type.starts_with("login.");
  const bool is_key = type.starts_with("api_key.");
  const Family family = is_login ? Family::auth : is_key ? Family::api_key : Family::admin;
  Data data = minimal(family);
  data.set("status", in_quotes(type.ends_with(".failed") ? "failure" : "success"));
  if (entry.has("log/actor/session")) {
    data.set("actor.id", entry.json("log/actor/session/user/id"))
        .set("actor.email", entry.json("log/actor/session/user/email"));
    data.set("client.ip", entry.json("log/actor/session/ip_address"));
    data.set("client.user_agent", entry.json("log/actor/session/user_agent"));
  } else {
    data.set("actor.type", in_quotes("api_key")).set("actor.id", entry.json("log/actor/api_key/id"));
  }
  data.set("upstream", entry.json("log"));
  Published published(family, Mode::binary);
  published.attribute("id", entry.text("log/id"));
  if (family == Family::admin) {
    std::string action = type;
    std::ranges::replace(action, '.', '_');
    published.attribute("type", "audit.admin." + action + ".v1");
  }
  return published.with(data);
}

TEST(Samples, OfOpenAisAuditLogAreAdminKeyAndLoginEvents) {
  std::ifstream file(samples() / "panther/openai_audit_events.jsonl");
  int count = 0;
  for (std::string line; std::getline(file, line);) {
    const Sample entry(line);
    const Row row = decoded(from_openai(entry));
    EXPECT_THAT(column(row, Column::personal_detail), HasSubstr(entry.json("log/type")));
    EXPECT_EQ(row.has(Column::client_ip), entry.has("log/actor/session"));
    ++count;
  }
  EXPECT_EQ(count, 33);
}

TEST(Samples, ThatClaimAnotherTenantAreNotBelieved) {
  const Sample forged = Sample::of("otlp/langwatch_forge_attribution.json");
  Published published(Family::llm_call, Mode::binary);
  published.with(minimal(Family::llm_call).set("otlp", forged.json()).set("tenantid", in_quotes("victim")));
  Decoder decoder;
  auto event = decoder.decode(published.record());
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(event.value().tenant, "acme");
}

TEST(Samples, OfOtherCloudEventsAreRefusedWithTheirReason) {
  const auto refused = [](std::string file, bool with_tenant) {
    Published published(Family::auth, Mode::bare);
    published.value = file_text(samples() / "cloudevents" / file);
    if (with_tenant) published.value->replace(published.value->find('{'), 1, R"({"tenantid":"acme",)");
    Decoder decoder;
    auto event = decoder.decode(published.record());
    EXPECT_FALSE(event.ok());
    return event ? "ok" : std::string(name(event.refusal().reason)) + " " + event.refusal().member_path;
  };
  EXPECT_EQ(refused("sdkjs_structured-event-0.json", false), "tenant_missing tenantid");
  EXPECT_EQ(refused("sdkjs_structured-event-0.json", true), "unknown_type type");
  EXPECT_EQ(refused("sdkjs_structured-event-1.json", true), "unknown_type type");
  EXPECT_EQ(refused("sdkjs_structured-event-2.json", true), "unsupported_content_type data_base64");
}

}  // namespace
}  // namespace sealstream::test
