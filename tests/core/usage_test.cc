// Goal: sums of usage are exact, whatever their size, and stand under the right key.
// Method: rows by hand, one rule each, and more rows than 64 bits could sum.
#include "sealstream/core/usage.h"

#include <gtest/gtest.h>

#include <deque>

namespace sealstream {
namespace {

constexpr Timestamp kHour{std::chrono::hours(500'000)};
constexpr std::int64_t kMost = (std::int64_t{1} << 53) - 1;
constexpr Int128 kDollar = 1'000'000'000'000;

class UsageTest : public testing::Test {
 protected:
  Row& call(Timestamp time = kHour) {
    Row& row = rows_.emplace_back();
    row.set_text(Column::family, "llm_call");
    row.set_timestamp(Column::event_time, time);
    return row;
  }
  /// The sums over all rows, as rows of one tenant.
  std::vector<Usage::Entry> sums() {
    usage_ = Usage(rows_.size());
    for (const Row& row : rows_) usage_.add("acme", row);
    std::vector<Usage::Entry> out;
    for (const auto* entry : usage_.sorted()) out.push_back(*entry);
    return out;
  }
  UsageSums only() {
    const auto all = sums();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? UsageSums{} : all[0].second;
  }

  std::deque<Row> rows_;
  Usage usage_{0};
};

TEST_F(UsageTest, NullCountsAsNothing) {
  call();
  const auto all = sums();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].first, (UsageKey{"acme", "", "", "", "", "", kHour}));
  const UsageSums& sum = all[0].second;
  EXPECT_EQ(sum.requests, 1);
  EXPECT_EQ(sum.errors, 0);
  EXPECT_TRUE(sum.input_tokens == 0 && sum.output_tokens == 0 && sum.total_tokens == 0 && sum.cost == 0);
}

TEST_F(UsageTest, InclusiveTokensAreTakenAsTheyAre) {
  Row& row = call();
  row.set_int(Column::input_tokens, 100);
  row.set_int(Column::output_tokens, 20);
  row.set_int(Column::total_tokens, 125);
  row.set_int(Column::cache_read_tokens, 30);
  row.set_int(Column::cache_write_tokens, 4);
  row.set_int(Column::reasoning_tokens, 5);
  row.set_text(Column::usage_basis, "inclusive");
  const UsageSums sum = only();
  EXPECT_TRUE(sum.input_tokens == 100 && sum.output_tokens == 20 && sum.total_tokens == 125);
  EXPECT_TRUE(sum.cache_read_tokens == 30 && sum.cache_write_tokens == 4 && sum.reasoning_tokens == 5);
}

TEST_F(UsageTest, ToExclusiveTokensThoseOfTheCacheAreAdded) {
  Row& row = call();
  row.set_int(Column::input_tokens, 100);
  row.set_int(Column::output_tokens, 20);
  row.set_int(Column::total_tokens, 120);
  row.set_int(Column::cache_read_tokens, 30);
  row.set_int(Column::cache_write_tokens, 4);
  row.set_text(Column::usage_basis, "exclusive");
  const UsageSums sum = only();
  EXPECT_TRUE(sum.input_tokens == 134 && sum.output_tokens == 20 && sum.total_tokens == 154);
}

TEST_F(UsageTest, OnlyFailuresAreErrors) {
  for (const char* status : {"success", "failure", "partial", "denied", "failure"}) {
    call().set_text(Column::status, status);
  }
  EXPECT_EQ(only().requests, 5);
  EXPECT_EQ(only().errors, 2);
}

TEST_F(UsageTest, WhatRepeatsItsChildrenCountsNowhere) {
  for (const char* operation :
       {"create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "retrieval"}) {
    call().set_text(Column::operation, operation);
  }
  EXPECT_TRUE(sums().empty());
  EXPECT_TRUE(usage_.empty());
  for (const char* operation : {"chat", "embeddings", "rerank", "", "invoke_agents"}) {
    call().set_text(Column::operation, operation);
  }
  EXPECT_EQ(only().requests, 5);
}

TEST_F(UsageTest, OtherFamiliesCountNowhere) {
  call().set_text(Column::family, "tool_invocation");
  call().set_text(Column::family, "quarantined");
  EXPECT_TRUE(sums().empty());
}

TEST_F(UsageTest, EachMemberOfTheKeyTellsRowsApartAndKeysComeByTheirBytes) {
  call().set_text(Column::department_id, "d");
  call().set_text(Column::user_id, "\xC3\xA4");
  call().set_text(Column::user_id, "z");
  call().set_text(Column::user_id, "Z");
  call().set_text(Column::provider, "p");
  call().set_text(Column::model, "m");
  call().set_text(Column::route, "r");
  call(kHour + std::chrono::hours(1));
  call(kHour + std::chrono::hours(1) - std::chrono::microseconds(1));
  std::vector<std::string> keys;
  for (const auto& [key, sum] : sums()) {
    EXPECT_EQ(sum.requests, 1);
    keys.push_back(std::string(key.department) + "," + std::string(key.user) + "," +
                   std::string(key.provider) + "," + std::string(key.model) + "," + std::string(key.route) +
                   "," + std::to_string((key.hour - kHour) / std::chrono::hours(1)));
  }
  EXPECT_EQ(keys, (std::vector<std::string>{",,,,,0", ",,,,,1", ",,,,r,0", ",,,m,,0", ",,p,,,0", ",Z,,,,0",
                                            ",z,,,,0", ",\xC3\xA4,,,,0", "d,,,,,0"}));
}

TEST_F(UsageTest, NullAndTheEmptyStringAreOneKey) {
  call().set_text(Column::route, "");
  call();
  EXPECT_EQ(only().requests, 2);
}

TEST_F(UsageTest, AnHourBefore1970IsAnHourToo) {
  call(Timestamp(std::chrono::microseconds(-1)));
  EXPECT_EQ(sums()[0].first.hour, Timestamp(std::chrono::hours(-1)));
}

TEST_F(UsageTest, SumsBeyond64BitsAreExact) {
  for (int i = 0; i < 20'000; ++i) {
    Row& row = call();
    row.set_int(Column::input_tokens, kMost);
    row.set_int(Column::cache_read_tokens, kMost);
    row.set_text(Column::usage_basis, "exclusive");
    row.set_decimal(Column::cost_usd, "1000000");
  }
  EXPECT_TRUE(only().input_tokens == Int128{40'000} * kMost);
  EXPECT_TRUE(only().cost == Int128{20'000} * 1'000'000 * kDollar);
}

TEST(MoneyUnits, AreExact) {
  EXPECT_TRUE(money_units("0") == 0);
  EXPECT_TRUE(money_units("1") == kDollar);
  EXPECT_TRUE(money_units("0.000000000001") == 1);
  EXPECT_TRUE(money_units("12.5") == 12 * kDollar + kDollar / 2);
  EXPECT_TRUE(money_units("999999.999999999999") == 1'000'000 * kDollar - 1);
  EXPECT_TRUE(money_units("-0.25") == -kDollar / 4);
}

}  // namespace
}  // namespace sealstream
