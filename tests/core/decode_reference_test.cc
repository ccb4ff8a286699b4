// Goal: the decoder makes of every record what the second decoder (tests/reference, Python) makes of it.
// Method: tests/data/decode_vectors.jsonl holds records and its answers; tenant, reason and the hashed bytes
// of every column are compared.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>

#include "core/hex.h"
#include "sealstream/core/event.h"

namespace sealstream {
namespace {

using simdjson::dom::element;

std::optional<std::string> bytes(const element& value) {
  if (value.is_null()) return std::nullopt;
  if (value.is_object()) return from_hex(value["hex"].get_string());
  return std::string(std::string_view(value.get_string()));
}

/// A record that owns its bytes.
struct OwnedRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> names_and_values;
  std::vector<Header> headers;
  Record record;

  explicit OwnedRecord(const element& line) : key(bytes(line["key"])), value(bytes(line["value"])) {
    for (const element pair : line["headers"].get_array()) {
      names_and_values.emplace_back(*bytes(pair.at(0)), bytes(pair.at(1)));
    }
    for (const auto& [name, content] : names_and_values) headers.push_back({name, content});
    record.topic = "audit.events.v1";
    record.partition = Partition(static_cast<std::int32_t>(std::int64_t(line["partition"])));
    record.offset = Offset(std::int64_t(line["offset"]));
    record.timestamp = Timestamp(std::chrono::milliseconds(std::int64_t(line["timestamp_ms"])));
    record.key = key;
    record.value = value;
    record.headers = headers;
  }
  OwnedRecord(const OwnedRecord&) = delete;
  OwnedRecord& operator=(const OwnedRecord&) = delete;
};

std::map<std::string, std::string> columns(const Row& row) {
  std::map<std::string, std::string> found;
  for (const ColumnInfo& column : kColumns) {
    if (row.has(column.column)) found[std::string(column.name)] = to_hex(row.bytes(column.column));
  }
  return found;
}

std::map<std::string, std::string> expected_columns(const element& line) {
  std::map<std::string, std::string> expected;
  for (const auto [name, hex] : simdjson::dom::object(line["columns"])) {
    expected[std::string(name)] = std::string_view(hex.get_string());
  }
  return expected;
}

void expect_same(Decoder& decoder, const element& line) {
  const OwnedRecord owned(line);
  const Result<Event> result = decoder.decode(owned.record);
  const std::string_view tenant = line["tenant"].get_string();
  std::string_view reason;
  if (line["reason"].get(reason) == simdjson::SUCCESS) {
    ASSERT_FALSE(result) << "should be refused as " << reason;
    EXPECT_EQ(name(result.refusal().reason), reason) << result.refusal().member_path;
    EXPECT_EQ(tombstone_tenant(owned.record), tenant);
    return;
  }
  ASSERT_TRUE(result) << name(result.refusal().reason) << " " << result.refusal().member_path;
  EXPECT_EQ(result.value().tenant, tenant);
  EXPECT_EQ(columns(result.value().row), expected_columns(line));
}

TEST(DecodeReference, EveryRecordBecomesWhatTheSecondDecoderMakesOfIt) {
  simdjson::dom::parser parser;
  Decoder decoder;
  std::size_t count = 0;
  simdjson::dom::document_stream lines;
  const simdjson::padded_string file =
      simdjson::padded_string::load(SEALSTREAM_SOURCE_DIR "/tests/data/decode_vectors.jsonl");
  ASSERT_EQ(parser.parse_many(file).get(lines), simdjson::SUCCESS);
  for (const element line : lines) {
    SCOPED_TRACE("line " + std::to_string(++count));
    expect_same(decoder, line);
  }
  EXPECT_GT(count, 1'000U);
}

}  // namespace
}  // namespace sealstream
