// Goal: whatever is wrong with a record has its one reason, the path of the member at fault, and a sentence
// that tells the publisher what to send; no value of the record is echoed. Method: a valid record with one
// fault each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "publisher.h"
#include "sealstream/core/event.h"

namespace sealstream::test {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Fault {
  std::string name;
  std::function<void(Published&)> make;
  Reason reason;
  std::string path;
  std::string sentence;  ///< a part of it
  Mode mode = Mode::binary;
  Family family = Family::llm_call;
};

std::function<void(Published&)> value(std::string text) {
  return [text](Published& published) { published.value = text; };
}
std::function<void(Published&)> key(std::optional<std::string> text) {
  return [text](Published& published) { published.key = text; };
}
std::function<void(Published&)> attribute(std::string name, std::string text) {
  return [name, text](Published& published) { published.attribute(name, text); };
}
std::function<void(Published&)> without(std::string name) {
  return [name](Published& published) { published.without(name); };
}
std::function<void(Published&)> header(std::string name, std::string text) {
  return [name, text](Published& published) { published.header(name, text); };
}
/// Changes one member of the family's minimal data.
std::function<void(Published&)> member(Family family, std::string path, std::string json) {
  return [=](Published& published) { published.with(minimal(family).set(path, json)); };
}
std::function<void(Published&)> missing(Family family, std::string path) {
  return [=](Published& published) { published.with(minimal(family).drop(path)); };
}

std::vector<Fault> transport_faults() {
  const std::string nul("x\0y", 3);
  return {
      {"null value", [](Published& p) { p.null_value = true; }, Reason::empty_value, "", "empty"},
      {"empty value", value(""), Reason::empty_value, "", "empty"},
      {"large value", value(std::string(kMaxValueBytes + 1, ' ')), Reason::too_large, "", "262144 bytes"},
      {"no key", key(std::nullopt), Reason::tenant_missing, "key", "record's key"},
      {"empty key", key(""), Reason::tenant_missing, "key", "record's key"},
      {"key with a space", key("a b"), Reason::tenant_invalid, "key", "1 to 64 characters"},
      {"long key", key(std::string(65, 'a')), Reason::tenant_invalid, "key", "1 to 64 characters"},
      {"key in Latin-1", key("\xE9"), Reason::invalid_utf8, "key", "UTF-8"},
      {"key with NUL", key(nul), Reason::nul_character, "key", "U+0000"},
      {"reserved key", key("_other"), Reason::tenant_reserved, "key", "another tenant id"},
      {"secret as key", key("msys_0123456789abcdef"), Reason::secret_in_identifier, "key", "no key, token"},
      {"another tenant", key("globex"), Reason::tenant_mismatch, "tenantid", "same tenant id"},
      {"doubled header", header("ce_id", "01JD0000000000000000000002"), Reason::duplicate_member, "ce_id",
       "once"},
      {"header in Latin-1", header("ce_note", "\xE9"), Reason::invalid_utf8, "ce_note", "UTF-8"},
      {"header name in Latin-1", header("ce_\xE9", "x"), Reason::invalid_utf8, "*", "UTF-8"},
      {"header with NUL", header("ce_note", nul), Reason::nul_character, "ce_note", "U+0000"},
      {"large headers", header("ce_note", std::string(kMaxValueBytes, 'x')), Reason::too_large, "ce_note",
       "ce_ headers"},
      {"Avro", header("content-type", "application/avro"), Reason::unsupported_content_type, "content-type",
       "Send JSON"},
      {"a batch", header("content-type", "application/cloudevents-batch+json"),
       Reason::unsupported_content_type, "content-type", "Send JSON"},
      {"two content types",
       [](Published& p) {
         p.header("content-type", "application/json").header("content-type", "application/json");
       },
       Reason::duplicate_member, "content-type", "once"},
      {"a registry's Avro", value(std::string("\0\0\0\0\1\2ab", 8)), Reason::registry_framing, "",
       "schema registry"},
      {"a short frame", value(std::string("\0\0\0", 3)), Reason::registry_framing, "", "schema registry"},
      {"base64", [](Published& p) { p.attribute("data_base64", "e30="); }, Reason::unsupported_content_type,
       "data_base64", "not as base64", Mode::structured},
      {"data is XML", attribute("datacontenttype", "text/xml"), Reason::unsupported_content_type,
       "datacontenttype", "application/json", Mode::structured},
      {"lying tenant header", header("ce_tenantid", "globex"), Reason::tenant_mismatch, "ce_tenantid",
       "same tenant id", Mode::structured},
  };
}

std::vector<Fault> json_faults() {
  std::string deep;
  for (int i = 0; i < kMaxDepth; ++i) deep += "{\"a\":";
  deep += "[]" + std::string(kMaxDepth, '}');
  std::string wide = "{\"a0\":0";
  for (int i = 1; i <= kMaxMembers; ++i) wide += ",\"a" + std::to_string(i) + "\":0";
  std::string deep_path = "data";
  for (int i = 0; i < kMaxDepth; ++i) deep_path += ".a";
  return {
      {"no JSON", value("hello"), Reason::invalid_json, "data", "JSON object"},
      {"an array", value("[]"), Reason::invalid_json, "data", "JSON object"},
      {"cut off", value("{\"a\":1"), Reason::invalid_json, "data", "JSON"},
      {"garbage behind", value("{} {}"), Reason::invalid_json, "data", "nothing behind"},
      {"Latin-1", value("{\"a\":\"\xE9\"}"), Reason::invalid_utf8, "data", "UTF-8"},
      {"half a surrogate pair", value(R"({"a":{"b":"\ud800"}})"), Reason::invalid_utf8, "data.a.b",
       "surrogate"},
      {"the other half", value(R"({"a":["x","\udc00y"]})"), Reason::invalid_utf8, "data.a[1]", "surrogate"},
      {"NUL in a string", value(R"({"a":{"b":"x\u0000y"}})"), Reason::nul_character, "data.a.b", "U+0000"},
      {"NUL in a name", value(R"({"a":{"b\u0000":1}})"), Reason::nul_character, "data.a.*", "U+0000"},
      {"doubled member", value(R"({"a":[{"b":1},{"b":1,"c":2,"b":3}]})"), Reason::duplicate_member,
       "data.a[1].b", "once"},
      {"doubled by an escape", value(R"({"ab":1,"\u0061b":2})"), Reason::duplicate_member, "data.ab", "once"},
      {"doubled hostile name", value("{\"\\u001b[31m\":1,\"\\u001b[31m\":2}"), Reason::duplicate_member,
       "data.*", "once"},
      {"doubled secret name", value(R"({"sk-0123456789abcdef":1,"sk-0123456789abcdef":2})"),
       Reason::duplicate_member, "data.*", "once"},
      {"too deep", value(deep), Reason::too_deep, deep_path, "at most 32"},
      {"too many members", value(wide + "}"), Reason::too_large, "data.a2000", "at most 2000 members"},
      {"no CloudEvent", [](Published& p) { p.attributes.clear(); }, Reason::not_cloudevents, "specversion",
       "1.0"},
      {"plain JSON", value(R"({"model":"x"})"), Reason::not_cloudevents, "specversion", "1.0", Mode::bare},
  };
}

std::vector<Fault> attribute_faults() {
  return {
      {"old CloudEvents", attribute("specversion", "0.3"), Reason::not_cloudevents, "specversion", "1.0"},
      {"no tenantid", without("tenantid"), Reason::tenant_missing, "tenantid", "tenantid"},
      {"bad tenantid", attribute("tenantid", "a/b"), Reason::tenant_invalid, "tenantid", "1 to 64"},
      {"reserved tenantid", attribute("tenantid", "_x"), Reason::tenant_reserved, "tenantid", "underscore"},
      {"secret tenantid", attribute("tenantid", "sk-0123456789abcdef"), Reason::secret_in_identifier,
       "tenantid", "revoke"},
      {"no id", without("id"), Reason::schema, "id", "every event needs it"},
      {"short id", attribute("id", "1234567"), Reason::schema, "id", "8 to 64"},
      {"long id", attribute("id", std::string(65, '1')), Reason::schema, "id", "8 to 64"},
      {"id with a slash", attribute("id", "1234/5678"), Reason::schema, "id", "8 to 64"},
      {"secret id", attribute("id", "sk-0123456789abcdef"), Reason::secret_in_identifier, "id", "revoke"},
      {"empty source", attribute("source", ""), Reason::schema, "source", "1 to 256"},
      {"long source", attribute("source", std::string(257, 's')), Reason::schema, "source", "1 to 256"},
      {"secret source", attribute("source", "https://user:pass@host"), Reason::secret_in_identifier, "source",
       "revoke"},
      {"secret type", attribute("type", "audit.sk-0123456789abcdef.x.v1"), Reason::secret_in_identifier,
       "type", "revoke"},
      {"long type", attribute("type", "audit.admin." + std::string(114, 'a') + ".v1"), Reason::schema, "type",
       "1 to 128"},
      {"unknown family", attribute("type", "audit.billing.paid.v1"), Reason::unknown_type, "type",
       "contract"},
      {"unknown action", attribute("type", "audit.auth.logon.v1"), Reason::unknown_type, "type", "contract"},
      {"unknown version", attribute("type", "audit.auth.login.v2"), Reason::unknown_type, "type", "contract"},
      {"another type", attribute("type", "com.example.thing"), Reason::unknown_type, "type", "contract"},
      {"long admin action", attribute("type", "audit.admin." + std::string(51, 'a') + ".v1"),
       Reason::unknown_type, "type", "contract"},
      {"admin action in capitals", attribute("type", "audit.admin.Create.v1"), Reason::unknown_type, "type",
       "contract"},
      {"admin without action", attribute("type", "audit.admin..v1"), Reason::unknown_type, "type",
       "contract"},
      {"no time", without("time"), Reason::schema, "time", "every event needs it"},
      {"time without zone", attribute("time", "2025-01-24T09:20:46"), Reason::schema, "time", "RFC 3339"},
      {"leap second", attribute("time", "2016-12-31T23:59:60Z"), Reason::schema, "time", "RFC 3339"},
      {"hour 24", attribute("time", "2025-01-24T24:00:00Z"), Reason::schema, "time", "RFC 3339"},
      {"before 2015", attribute("time", "2014-12-31T23:59:59.999999Z"), Reason::time_out_of_range, "time",
       "from 2015"},
      {"in two days", attribute("time", "2025-01-25T09:20:47.000001Z"), Reason::time_out_of_range, "time",
       "24 hours"},
      {"long subject", attribute("subject", std::string(257, 's')), Reason::schema, "subject", "256 bytes"},
      {"long dataschema", attribute("dataschema", std::string(257, 's')), Reason::schema, "dataschema",
       "256 bytes"},
      {"long traceparent", attribute("traceparent", std::string(56, '0')), Reason::schema, "traceparent",
       "55 bytes"},
      {"odd sequence", attribute("sequence", "12a"), Reason::schema, "sequence", "decimal"},
  };
}

std::vector<Fault> llm_call_faults() {
  constexpr Family llm = Family::llm_call;
  return {
      {"no data", [](Published& p) { p.data = "null"; }, Reason::schema, "data", "Send data",
       Mode::structured},
      {"data as text", [](Published& p) { p.data = "\"x\""; }, Reason::schema, "data", "JSON object",
       Mode::structured},
      {"status missing", missing(llm, "status"), Reason::schema, "data.status", "need it"},
      {"status unknown", member(llm, "status", "\"ok\""), Reason::schema, "data.status",
       "success failure partial denied"},
      {"actor missing", missing(llm, "actor"), Reason::schema, "data.actor.type", "need it"},
      {"actor as text",
       [](Published& p) { p.with(minimal(Family::auth).drop("actor").set("actor", "\"x\"")); },
       Reason::schema, "data.actor", "JSON object", Mode::binary, Family::auth},
      {"actor without id", missing(llm, "actor.id"), Reason::schema, "data.actor.id", "anonymous"},
      {"actor with null id", member(llm, "actor.id", "null"), Reason::schema, "data.actor.id", "anonymous"},
      {"no input tokens", missing(llm, "usage.input_tokens"), Reason::schema, "data.usage.input_tokens",
       "successful"},
      {"no output tokens", missing(llm, "usage.output_tokens"), Reason::schema, "data.usage.output_tokens",
       "successful"},
      {"no total tokens", missing(llm, "usage.total_tokens"), Reason::schema, "data.usage.total_tokens",
       "successful"},
      {"negative tokens", member(llm, "usage.input_tokens", "-1"), Reason::schema, "data.usage.input_tokens",
       "from 0 to"},
      {"tokens with a point", member(llm, "usage.input_tokens", "1.0"), Reason::schema,
       "data.usage.input_tokens", "whole"},
      {"too many tokens", member(llm, "usage.input_tokens", "9007199254740992"), Reason::schema,
       "data.usage.input_tokens", "9007199254740991"},
      {"tokens as words", member(llm, "usage.input_tokens", "\"ten\""), Reason::schema,
       "data.usage.input_tokens", "whole"},
      {"negative cost", member(llm, "cost_usd", "-0.5"), Reason::schema, "data.cost_usd", "1000000"},
      {"cost of a planet", member(llm, "cost_usd", "1000000.01"), Reason::schema, "data.cost_usd", "1000000"},
      {"stream as text", member(llm, "stream", "\"yes\""), Reason::schema, "data.stream", "true or false"},
      {"model as number", member(llm, "model", "4"), Reason::schema, "data.model", "Send a string"},
      {"unknown basis", member(llm, "usage.basis", "\"both\""), Reason::schema, "data.usage.basis",
       "inclusive exclusive"},
      {"policies as object", member(llm, "policies_hit", "{}"), Reason::schema, "data.policies_hit",
       "at most 64 objects"},
      {"policy as text", member(llm, "policies_hit", R"([{},"x"])"), Reason::schema, "data.policies_hit[1]",
       "policy_id"},
      {"verdict as number", member(llm, "policies_hit", R"([{},{},{},{"verdict":1}])"), Reason::schema,
       "data.policies_hit[3].verdict", "256 bytes"},
      {"tag as number", member(llm, "tags", "[1]"), Reason::schema, "data.tags[0]", "256 bytes"},
      {"digest as text", member(llm, "digest", "\"x\""), Reason::schema, "data.digest",
       "alg request response"},
      {"endless number", member(llm, "extra", R"({"a":[1e999999999]})"), Reason::schema, "data.extra.a[0]",
       "64 characters"},
      {"detail as text", member(llm, "detail", "\"x\""), Reason::schema, "data.detail", "JSON object"},
  };
}

std::vector<Fault> other_family_faults() {
  constexpr Family tool = Family::tool_invocation;
  return {
      {"no tool", missing(tool, "tool"), Reason::schema, "data.tool.name", "tool_invocation", Mode::binary,
       tool},
      {"no tool error", missing(tool, "outcome"), Reason::schema, "data.outcome.tool_error", "need it",
       Mode::binary, tool},
      {"no latency", missing(tool, "latency_ms"), Reason::schema, "data.latency_ms", "need it", Mode::binary,
       tool},
      {"large RPC code", member(tool, "outcome.rpc_error_code", "2147483648"), Reason::schema,
       "data.outcome.rpc_error_code", "-2147483648 to 2147483647", Mode::binary, tool},
      {"no kind", missing(Family::escalation, "kind"), Reason::schema, "data.kind", "need it", Mode::binary,
       Family::escalation},
      {"no reason code", missing(Family::escalation, "reason_code"), Reason::schema, "data.reason_code",
       "need it", Mode::binary, Family::escalation},
      {"no key", missing(Family::api_key, "key"), Reason::schema, "data.key.key_id", "need it", Mode::binary,
       Family::api_key},
      {"key hash as number", member(Family::api_key, "key.key_hash", "1"), Reason::schema,
       "data.key.key_hash", "64", Mode::binary, Family::api_key},
      {"bad expiry", member(Family::api_key, "expires_at", "\"tomorrow\""), Reason::schema, "data.expires_at",
       "RFC 3339", Mode::binary, Family::api_key},
      {"no resource", missing(Family::admin, "resource"), Reason::schema, "data.resource.type", "need it",
       Mode::binary, Family::admin},
      {"backward range", member(Family::admin, "erased_seqs", "[[1,2],[3,2]]"), Reason::schema,
       "data.erased_seqs[1]", "pair", Mode::binary, Family::admin},
      {"no method", missing(Family::auth, "method"), Reason::schema, "data.method", "need it", Mode::binary,
       Family::auth},
      {"address as number", member(Family::auth, "client.ip", "1"), Reason::schema, "data.client.ip",
       "string", Mode::binary, Family::auth},
  };
}

void expect_refused(const Fault& fault) {
  SCOPED_TRACE(fault.name);
  Published published(fault.family, fault.mode);
  fault.make(published);
  Decoder decoder;
  auto event = decoder.decode(published.record());
  ASSERT_FALSE(event.ok());
  EXPECT_EQ(name(event.refusal().reason), name(fault.reason));
  EXPECT_EQ(event.refusal().member_path, fault.path);
  EXPECT_THAT(event.refusal().message, HasSubstr(fault.sentence));
  EXPECT_THAT(event.refusal().message, Not(HasSubstr("0123456789abcdef"))) << "echoes a value";
  EXPECT_TRUE(event.refusal().message.ends_with('.'));
}

TEST(Refusals, OfTransportNameTheHeaderOrKey) {
  for (const Fault& fault : transport_faults()) expect_refused(fault);
}
TEST(Refusals, OfJsonNameThePlace) {
  for (const Fault& fault : json_faults()) expect_refused(fault);
}
TEST(Refusals, OfAttributesNameTheAttribute) {
  for (const Fault& fault : attribute_faults()) expect_refused(fault);
}
TEST(Refusals, OfMembersNameTheMember) {
  for (const Fault& fault : llm_call_faults()) expect_refused(fault);
  for (const Fault& fault : other_family_faults()) expect_refused(fault);
}

TEST(Refusals, NameTheSamePathInAllModes) {
  for (const Mode mode : {Mode::binary, Mode::structured, Mode::bare}) {
    Published published(Family::llm_call, mode);
    published.with(minimal(Family::llm_call).set("usage.total_tokens", "true"));
    Decoder decoder;
    auto event = decoder.decode(published.record());
    ASSERT_FALSE(event.ok());
    EXPECT_EQ(event.refusal().member_path, "data.usage.total_tokens");
  }
}

TEST(Refusals, HaveTwentyStoredNamesThatNeverChange) {
  const std::vector<std::string_view> names = {
      "empty_value",       "invalid_json",    "invalid_utf8",     "nul_character",
      "duplicate_member",  "too_large",       "too_deep",         "unsupported_content_type",
      "not_cloudevents",   "unknown_type",    "schema",           "tenant_missing",
      "tenant_invalid",    "tenant_reserved", "tenant_mismatch",  "secret_in_identifier",
      "time_out_of_range", "id_conflict",     "registry_framing", "db_rejected"};
  ASSERT_EQ(names.size(), kReasonCount);
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(name(static_cast<Reason>(i)), names[i]);
}

}  // namespace
}  // namespace sealstream::test
