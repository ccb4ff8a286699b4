// Goal: the rules of the contract that are no refusals: bounds hold exactly, what says "cut" is cut, numbers
// come in two spellings, and odd but lawful records are accepted. Method: a valid record, changed in one
// place.
#include <gtest/gtest.h>

#include "publisher.h"
#include "sealstream/core/event.h"

namespace sealstream::test {
namespace {

std::string repeated(std::size_t count) { return std::string(count, 'a'); }

/// The reason of the refusal, or "ok".
std::string outcome(Published published) {
  Decoder decoder;
  auto event = decoder.decode(published.record());
  return event ? "ok" : std::string(name(event.refusal().reason)) + " " + event.refusal().member_path;
}

std::string outcome(Family family, const Data& data) {
  return outcome(Published(family, Mode::binary).with(data));
}

Row row(Published published) {
  Decoder decoder;
  auto event = decoder.decode(published.record());
  EXPECT_TRUE(event.ok()) << (event ? "" : event.refusal().member_path + ": " + event.refusal().message);
  return event ? event.value().row : Row{};
}

Row row(Family family, const Data& data) { return row(Published(family, Mode::binary).with(data)); }

TEST(Bounds, OfTextsHoldToTheByte) {
  const std::vector<std::tuple<Family, std::string, std::size_t>> bounds = {
      {Family::auth, "actor.id", 128},
      {Family::auth, "actor.email", 254},
      {Family::auth, "actor.name", 128},
      {Family::auth, "on_behalf_of", 128},
      {Family::auth, "department_id", 64},
      {Family::auth, "session_id", 128},
      {Family::auth, "client.type", 32},
      {Family::auth, "error.type", 128},
      {Family::auth, "error.code", 32},
      {Family::auth, "trace_id", 64},
      {Family::auth, "span_id", 64},
      {Family::auth, "agent_id", 64},
      {Family::auth, "failure_code", 64},
      {Family::auth, "idp", 64},
      {Family::auth, "mfa", 64},
      {Family::llm_call, "operation", 32},
      {Family::llm_call, "provider", 64},
      {Family::llm_call, "model", 256},
      {Family::llm_call, "request_model", 256},
      {Family::llm_call, "route", 128},
      {Family::llm_call, "response_id", 256},
      {Family::llm_call, "key.key_id", 48},
      {Family::llm_call, "key.key_prefix", 8},
      {Family::llm_call, "key.name", 256},
      {Family::llm_call, "digest.request", 256},
      {Family::tool_invocation, "tool.name", 256},
      {Family::tool_invocation, "tool.type", 256},
      {Family::tool_invocation, "tool.server", 256},
      {Family::tool_invocation, "tool.call_id", 128},
      {Family::tool_invocation, "decision", 256},
      {Family::escalation, "to", 128},
      {Family::escalation, "reason_code", 64},
      {Family::escalation, "conversation_id", 128},
      {Family::escalation, "severity", 256},
      {Family::api_key, "request_path", 512},
      {Family::api_key, "rotation_reason", 256},
      {Family::api_key, "method", 256},
      {Family::admin, "resource.type", 50},
      {Family::admin, "resource.id", 128},
      {Family::admin, "reason", 256},
  };
  for (const auto& [family, path, bound] : bounds) {
    SCOPED_TRACE(path);
    EXPECT_EQ(outcome(family, minimal(family).set(path, in_quotes(repeated(bound)))), "ok");
    EXPECT_EQ(outcome(family, minimal(family).set(path, in_quotes(repeated(bound + 1)))),
              "schema data." + path);
    const std::string wide = repeated(bound - 1) + "é";
    EXPECT_EQ(outcome(family, minimal(family).set(path, in_quotes(wide))), "schema data." + path)
        << "bytes count";
  }
}

TEST(Bounds, OfSomeTextsCutAtACodePoint) {
  const std::vector<std::tuple<Family, std::string, Column, std::size_t>> cuts = {
      {Family::auth, "client.user_agent", Column::user_agent, 512},
      {Family::auth, "error.message", Column::error_message, 1024},
      {Family::llm_call, "input_summary", Column::input_summary, 1000},
      {Family::llm_call, "output_summary", Column::output_summary, 1000},
      {Family::tool_invocation, "args_summary", Column::input_summary, 500},
      {Family::tool_invocation, "result_summary", Column::output_summary, 500},
  };
  for (const auto& [family, path, target, bound] : cuts) {
    SCOPED_TRACE(path);
    const auto stored = [&, family = family, path = path, target = target](const std::string& text) {
      return column(row(family, minimal(family).set(path, in_quotes(text))), target);
    };
    EXPECT_EQ(stored(repeated(bound)), repeated(bound));
    EXPECT_EQ(stored(repeated(bound + 1)), repeated(bound));
    EXPECT_EQ(stored(repeated(bound - 1) + "é"), repeated(bound - 1));
    EXPECT_EQ(stored(repeated(bound - 3) + "😀"), repeated(bound - 3));
  }
  const Row escalation =
      row(Family::escalation, minimal(Family::escalation).set("reason", in_quotes(repeated(501))));
  EXPECT_EQ(column(escalation, Column::personal_detail), R"({"data": {"reason": ")" + repeated(500) + "\"}}");
}

TEST(Bounds, OfTextsCutNoMarkerInTwo) {
  const std::string secret = "sk-0123456789abcdef";
  const auto stored = [&](std::size_t before) {
    const Data data =
        minimal(Family::llm_call).set("input_summary", in_quotes(repeated(before) + " " + secret + " z"));
    return column(row(Family::llm_call, data), Column::input_summary);
  };
  EXPECT_EQ(stored(900), repeated(900) + " [REDACTED:sk-key] z");
  EXPECT_EQ(stored(981), repeated(981) + " [REDACTED:sk-key] ");
  EXPECT_EQ(stored(982), repeated(982) + " [REDACTED:sk-key]");
  EXPECT_EQ(stored(983), repeated(983) + " ");
  EXPECT_EQ(stored(999), repeated(999) + " ");
}

TEST(Bounds, OfArraysAndObjectsHold) {
  const auto items = [](std::size_t count, const std::string& item) {
    std::string json = "[";
    for (std::size_t i = 0; i < count; ++i) json += (i > 0 ? "," : "") + item;
    return json + "]";
  };
  const auto check = [&](Family family, const std::string& path, const std::string& fits,
                         const std::string& too_much) {
    SCOPED_TRACE(path);
    EXPECT_EQ(outcome(family, minimal(family).set(path, fits)), "ok");
    EXPECT_EQ(outcome(family, minimal(family).set(path, too_much)), "schema data." + path);
  };
  check(Family::llm_call, "policies_hit", items(64, "{}"), items(65, "{}"));
  check(Family::llm_call, "tools_called", items(128, "{}"), items(129, "{}"));
  check(Family::llm_call, "tags", items(1000, "\"t\""), items(1001, "\"t\""));
  check(Family::llm_call, "finish_reasons", items(1000, "\"t\""), items(1001, "\"t\""));
  check(Family::api_key, "permissions_after", items(1000, "\"t\""), items(1001, "\"t\""));
  check(Family::admin, "erased_seqs", items(1000, "[1,2]"), items(1001, "[1,2]"));
  const auto object_of = [](std::size_t bytes) { return "{\"a\": \"" + repeated(bytes - 9) + "\"}"; };
  check(Family::llm_call, "detail", object_of(32 * 1024), object_of(32 * 1024 + 1));
  check(Family::admin, "before", object_of(16 * 1024), object_of(16 * 1024 + 1));
  check(Family::admin, "after", object_of(16 * 1024), object_of(16 * 1024 + 1));
}

TEST(Bounds, OfValuesHold) {
  Published large(Family::auth, Mode::binary);
  const std::string head = R"({"status":"success","actor":{"type":"anonymous"},"method":"sso","x":")";
  large.data = head + repeated(kMaxValueBytes - head.size() - 2) + "\"}";
  EXPECT_EQ(outcome(large), "ok");
  Published wide(Family::auth, Mode::binary);
  Data data = minimal(Family::auth);  // five members
  for (int i = 0; i < kMaxMembers - 5; ++i) data.set("m" + std::to_string(i), "0");
  EXPECT_EQ(outcome(Family::auth, data), "ok");
  EXPECT_EQ(outcome(Family::auth, data.set("one_more", "0")), "too_large data.one_more");
  std::string deep = "0";
  for (int i = 1; i < kMaxDepth; ++i) deep = "[" + deep + "]";
  EXPECT_EQ(outcome(Family::auth, minimal(Family::auth).set("deep", deep)), "ok");
}

TEST(Bounds, OfIdentifiersHold) {
  const auto with = [](const std::string& name, const std::string& text) {
    return outcome(Published(Family::auth, Mode::binary).attribute(name, text));
  };
  EXPECT_EQ(with("id", "12345678"), "ok");
  EXPECT_EQ(with("id", std::string(60, '1') + "._:-"), "ok");
  EXPECT_EQ(with("source", "s"), "ok");
  EXPECT_EQ(with("source", std::string(256, 's')), "ok");
  EXPECT_EQ(with("subject", std::string(256, 's')), "ok");
  EXPECT_EQ(with("dataschema", std::string(256, 's')), "ok");
  EXPECT_EQ(with("sequence", std::string(64, '1')), "ok");
  EXPECT_EQ(with("time", "2015-01-01T00:00:00Z"), "ok");
  EXPECT_EQ(with("time", "2025-01-25T09:20:47Z"), "ok");
  const std::string longest = "audit.admin." + std::string(50, 'a') + ".v1";
  EXPECT_EQ(outcome(Published(Family::admin, Mode::binary).attribute("type", longest)), "ok");
  Published tenant(Family::auth, Mode::binary);
  tenant.key = std::string(60, 't') + "A._-";
  EXPECT_EQ(outcome(tenant.attribute("tenantid", *tenant.key)), "ok");
}

TEST(Numbers, OfBothSpellingsAreTheSame) {
  const Data as_numbers =
      minimal(Family::llm_call).set("usage.input_tokens", "9007199254740991").set("attempt", "2");
  const Data as_strings =
      minimal(Family::llm_call).set("usage.input_tokens", "\"9007199254740991\"").set("attempt", "\"2\"");
  for (const Data& data : {as_numbers, as_strings}) {
    const Row stored = row(Family::llm_call, data);
    EXPECT_EQ(stored.int_value(Column::input_tokens), 9007199254740991);
    EXPECT_EQ(column(stored, Column::detail), R"({"attempt": 2})");
  }
}

TEST(Numbers, OfMoneyAreRoundedHalfEvenToTwelvePlaces) {
  const std::vector<std::pair<std::string, std::string>> amounts = {{"0.00022500000000000002", "0.000225"},
                                                                    {"\"12.5000\"", "12.5"},
                                                                    {"1e-3", "0.001"},
                                                                    {"0.0000000000005", "0"},
                                                                    {"0.0000000000015", "0.000000000002"},
                                                                    {"1000000", "1000000"},
                                                                    {"0", "0"}};
  for (const auto& [sent, stored] : amounts) {
    EXPECT_EQ(
        column(row(Family::llm_call, minimal(Family::llm_call).set("cost_usd", sent)), Column::cost_usd),
        stored);
  }
}

TEST(Usage, IsNotRequiredOfFailedCalls) {
  EXPECT_EQ(outcome(Family::llm_call, minimal(Family::llm_call).set("status", "\"failure\"").drop("usage")),
            "ok");
}

TEST(Usage, NeedsNoOutputTokensWhereNoTextIsMade) {
  for (const char* operation : {"embeddings", "image", "audio", "rerank"}) {
    const Data data =
        minimal(Family::llm_call).set("operation", in_quotes(operation)).drop("usage.output_tokens");
    EXPECT_EQ(outcome(Family::llm_call, data), "ok") << operation;
  }
}

TEST(Actors, NeedNoIdWhenAnonymous) {
  const Data data = minimal(Family::auth).set("actor.type", "\"anonymous\"").drop("actor.id");
  EXPECT_EQ(column(row(Family::auth, data), Column::user_id), "NULL");
}

TEST(Keys, NeedNoIdWhenAuthenticationFailed) {
  Published published(Family::api_key, Mode::binary);
  published.attribute("type", "audit.api_key.auth_failed.v1").with(minimal(Family::api_key).drop("key"));
  EXPECT_EQ(outcome(published), "ok");
}

TEST(Keys, WhoseHashIsNoHashAreNotStored) {
  for (const std::string& raw :
       {std::string("my-raw-key"), std::string(64, 'A'), std::string(63, 'a'), std::string()}) {
    const Row stored = row(Family::api_key, minimal(Family::api_key).set("key.key_hash", in_quotes(raw)));
    EXPECT_EQ(column(stored, Column::key_hash), "[REDACTED:raw-key]");
    EXPECT_EQ(column(stored, Column::personal_detail), "NULL");
  }
}

TEST(Addresses, ThatDoNotParseAreKeptAsPersonalText) {
  const Row stored = row(Family::auth, minimal(Family::auth).set("client.ip", "\"unknown\""));
  EXPECT_EQ(column(stored, Column::client_ip), "NULL");
  EXPECT_EQ(column(stored, Column::personal_detail), R"({"data": {"client": {"ip": "unknown"}}})");
}

TEST(Attributes, ThatTheContractDoesNotKnowArePersonal) {
  const std::string expected_personal =
      R"({"data": {"detail": {"x": 1}}, "attributes": {"subject": "ann", "partitionkey": "acme"}})";
  const std::string expected_detail =
      R"({"method": "sso", "attributes": {"sequence": "42", "dataschema": "urn:x"}})";
  for (const Mode mode : {Mode::binary, Mode::structured, Mode::bare}) {
    Published published(Family::auth, mode);
    published.attribute("subject", "ann").attribute("partitionkey", "acme");
    published.attribute("sequence", "42").attribute("dataschema", "urn:x");
    published.with(minimal(Family::auth).set("detail", R"({"x":1})"));
    const Row stored = row(published);
    EXPECT_EQ(column(stored, Column::personal_detail), expected_personal);
    EXPECT_EQ(column(stored, Column::detail), expected_detail);
  }
}

TEST(Traces, ComeFromTheDataOrElseFromTraceparent) {
  const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const Row from_parent = row(Published(Family::auth, Mode::binary).attribute("traceparent", parent));
  EXPECT_EQ(column(from_parent, Column::trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(column(from_parent, Column::span_id), "b7ad6b7169203331");
  EXPECT_EQ(column(from_parent, Column::detail),
            R"({"method": "sso", "attributes": {"traceparent": ")" + parent + "\"}}");

  Published both(Family::auth, Mode::binary);
  both.attribute("traceparent", parent).with(minimal(Family::auth).set("trace_id", "\"mine\""));
  EXPECT_EQ(column(row(both), Column::trace_id), "mine");
  EXPECT_EQ(column(row(both), Column::span_id), "NULL");

  const std::string zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
  const Row from_zero = row(Published(Family::auth, Mode::binary).attribute("traceparent", zero));
  EXPECT_EQ(column(from_zero, Column::trace_id), "NULL");
}

TEST(ContentTypes, ThatMeanJsonAreAccepted) {
  const auto with = [](Mode mode, const std::string& type) {
    return outcome(Published(Family::auth, mode).header("content-type", type));
  };
  EXPECT_EQ(with(Mode::binary, "application/json"), "ok");
  EXPECT_EQ(with(Mode::binary, "Application/JSON ; charset=utf-8"), "ok");
  EXPECT_EQ(with(Mode::bare, "application/cloudevents+json; charset=UTF-8"), "ok");
  EXPECT_EQ(with(Mode::bare, "APPLICATION/CLOUDEVENTS+JSON"), "ok");
  EXPECT_EQ(with(Mode::bare, "application/json"), "ok");
  Published null_type(Family::auth, Mode::binary);
  EXPECT_EQ(outcome(null_type.header("content-type", std::nullopt)), "ok");
  EXPECT_EQ(
      outcome(Published(Family::auth, Mode::structured).attribute("datacontenttype", "application/json")),
      "ok");
}

TEST(Framing, OfASchemaRegistryIsStripped) {
  Published published(Family::auth, Mode::binary);
  published.value = std::string("\0\0\0\1\7", 5) + minimal(Family::auth).json();
  EXPECT_EQ(outcome(published), "ok");
}

TEST(Headers, ThatAreNotOursAreIgnored) {
  Published published(Family::auth, Mode::binary);
  published.header("x-note", "\xFF").header("x-note", std::nullopt).header("CE_ID", "other");
  EXPECT_EQ(column(row(published), Column::personal_detail), "NULL");
}

TEST(Headers, WithoutAValueAreAbsent) {
  Published published(Family::auth, Mode::binary);
  published.header("ce_note", std::nullopt);
  EXPECT_EQ(column(row(published), Column::personal_detail), "NULL");
}

TEST(Headers, OfSixtyFourKibibytesAreKeptWhereUnknownAndRefusedWhereBounded) {
  const std::string large(std::size_t{64} * 1024, 'x');
  const Row stored = row(Published(Family::auth, Mode::binary).attribute("note", large));
  EXPECT_EQ(column(stored, Column::personal_detail), R"({"attributes": {"note": ")" + large + "\"}}");
  for (const char* name :
       {"id", "source", "type", "time", "subject", "traceparent", "dataschema", "sequence"}) {
    EXPECT_EQ(outcome(Published(Family::auth, Mode::binary).attribute(name, large)),
              std::string("schema ") + name);
  }
}

TEST(Headers, AreAtMostTwoThousand) {
  Published published(Family::auth, Mode::binary);
  for (int i = 0; i < kMaxMembers - 6; ++i) published.attribute("a" + std::to_string(i), "x");
  EXPECT_EQ(outcome(published), "ok");
  EXPECT_EQ(outcome(published.attribute("more", "x")), "too_large ce_more");
}

TEST(Tenants, OfTheOperatorAndOfNobodyAreAccepted) {
  for (const char* tenant : {"_unattributed", "_sealstream"}) {
    Published published(Family::auth, Mode::binary);
    published.key = tenant;
    EXPECT_EQ(outcome(published.attribute("tenantid", tenant)), "ok");
  }
}

TEST(Decoding, TwiceGivesTheSameRow) {
  Decoder decoder;
  Published published(Family::llm_call, Mode::structured);
  published.with(minimal(Family::llm_call).set("extra", R"({"b":1,"a":[true,"sk-0123456789abcdef"]})"));
  const Record record = published.record();
  auto first = decoder.decode(record);
  Published refused(Family::auth, Mode::binary);
  refused.value = "{\"a\":";
  EXPECT_FALSE(decoder.decode(refused.record()).ok());
  auto second = decoder.decode(record);
  ASSERT_TRUE(first.ok() && second.ok());
  for (const ColumnInfo& info : kColumns) {
    EXPECT_EQ(column(first.value().row, info.column), column(second.value().row, info.column)) << info.name;
  }
}

TEST(Tombstones, StandAtTheRecordsPlaceInItsKeysChain) {
  Published published(Family::auth, Mode::binary);
  const Event event = tombstone(published.record(), Reason::schema);
  EXPECT_EQ(event.tenant, "acme");
  EXPECT_EQ(event.id, "!audit.events.v1/0/3/42");
  EXPECT_EQ(event.family, Family::quarantined);
  const std::vector<std::pair<Column, std::string>> expected = {{Column::event_id, "!audit.events.v1/0/3/42"},
                                                                {Column::family, "quarantined"},
                                                                {Column::action, "schema"},
                                                                {Column::schema_version, "0"},
                                                                {Column::source, ""},
                                                                {Column::event_time, "1737710447000000"},
                                                                {Column::kafka_topic, "audit.events.v1"},
                                                                {Column::kafka_log_epoch, "0"},
                                                                {Column::kafka_partition, "3"},
                                                                {Column::kafka_offset, "42"},
                                                                {Column::rules_version, "1"}};
  std::size_t set = 0;
  for (const ColumnInfo& info : kColumns) set += event.row.has(info.column) ? 1 : 0;
  EXPECT_EQ(set, expected.size());
  for (const auto& [column_, text] : expected) EXPECT_EQ(column(event.row, column_), text);
}

TEST(Tombstones, OfKeysThatNameNoTenantJoinThePartitionsChain) {
  const std::vector<std::optional<std::string>> keys = {
      std::nullopt,        "", "a b", "\xFF", "_other", "_unattributed.3", "msys_0123456789abcdef",
      std::string(65, 'a')};
  for (const auto& key : keys) {
    Published published(Family::auth, Mode::binary);
    published.key = key;
    EXPECT_EQ(tombstone_tenant(published.record()), "_unattributed.3");
  }
}

}  // namespace
}  // namespace sealstream::test
