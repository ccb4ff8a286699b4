// Goal: a row keeps each column's value in the bytes that are hashed.
// Method: set columns of every type, read back the encoded bytes that schemas/chain-v1.md prescribes.
#include "sealstream/core/row.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

using namespace std::string_view_literals;

TEST(Row, NewRowHasNoColumn) {
  const Row row;
  for (const ColumnInfo& column : kColumns) EXPECT_FALSE(row.has(column.column)) << column.name;
}

TEST(Row, EveryTypeIsKeptInTheBytesThatAreHashed) {
  Row row;
  row.set_text(Column::event_id, "é");
  row.set_int(Column::latency_ms, -2);
  row.set_timestamp(Column::event_time, Timestamp(std::chrono::microseconds(0x0102030405060708)));
  row.set_bool(Column::tool_error, true);
  row.set_bytes(Column::source_digest, "\0\xFF"sv);
  row.set_decimal(Column::cost_usd, "0.5");
  row.set_json(Column::detail, "{}");
  row.set_ip(Column::client_ip, "\2\x20\0\4\x7F\0\0\1"sv);
  EXPECT_EQ(row.bytes(Column::event_id), "\xC3\xA9");
  EXPECT_EQ(row.bytes(Column::latency_ms), "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"sv);
  EXPECT_EQ(row.bytes(Column::event_time), "\1\2\3\4\5\6\7\x08"sv);
  EXPECT_EQ(row.bytes(Column::tool_error), "\1"sv);
  EXPECT_EQ(row.bytes(Column::source_digest), "\0\xFF"sv);
  EXPECT_EQ(row.bytes(Column::cost_usd), "0.5");
  EXPECT_EQ(row.bytes(Column::detail), "{}");
  EXPECT_EQ(row.bytes(Column::client_ip), "\2\x20\0\4\x7F\0\0\1"sv);
}

TEST(Row, FalseIsAValueOfItsOwn) {
  Row row;
  row.set_bool(Column::tool_error, false);
  EXPECT_EQ(row.bytes(Column::tool_error), "\0"sv);
}

TEST(Row, TheEmptyStringIsNotNull) {
  Row row;
  row.set_text(Column::source, "");
  EXPECT_TRUE(row.has(Column::source));
  EXPECT_EQ(row.bytes(Column::source), "");
}

TEST(Row, NumbersAndTimesComeBackAsSet) {
  Row row;
  row.set_int(Column::kafka_offset, INT64_MIN);
  row.set_timestamp(Column::recorded_at, Timestamp(std::chrono::microseconds(-1)));
  EXPECT_EQ(row.int_value(Column::kafka_offset), INT64_MIN);
  EXPECT_EQ(row.timestamp_value(Column::recorded_at), Timestamp(std::chrono::microseconds(-1)));
}

TEST(Row, SettingAgainReplacesOnlyThatColumn) {
  Row row;
  row.set_text(Column::family, "llm_call");
  row.set_text(Column::action, "completed");
  row.set_text(Column::family, "auth");
  EXPECT_EQ(row.bytes(Column::family), "auth");
  EXPECT_EQ(row.bytes(Column::action), "completed");
}

TEST(Row, ClearingMakesAColumnNullAndClearMakesAllOfThemNull) {
  Row row;
  row.set_text(Column::family, "auth");
  row.set_text(Column::action, "login");
  row.clear(Column::family);
  EXPECT_FALSE(row.has(Column::family));
  EXPECT_TRUE(row.has(Column::action));
  row.clear();
  EXPECT_FALSE(row.has(Column::action));
}

}  // namespace
}  // namespace sealstream
