// Goal: the quarantine's copy of a record holds everything but its secrets, in key, value and headers,
// whatever the value is. Method: records with a planted secret in every place and spelling; the rest is
// compared byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "publisher.h"
#include "sealstream/core/secrets.h"

namespace sealstream::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kSecret = "sk-0123456789abcdef";

KeptRecord kept(Published published) {
  std::vector<std::uint32_t> hits(secret_rules().size());
  KeptRecord kept = keep(published.record(), hits);
  std::uint32_t sum = 0;
  for (const std::uint32_t count : hits) sum += count;
  EXPECT_EQ(sum > 0, kept.redacted);
  return kept;
}

KeptRecord kept_value(std::string value) {
  Published published(Family::auth, Mode::binary);
  published.value = std::move(value);
  return kept(published);
}

TEST(Keeping, LeavesACleanRecordAsItIs) {
  Published published(Family::auth, Mode::binary);
  published.value = "{ \"a\" : [1.50, \"\\u00e9\\/\"] }";
  published.header("x", "\xFF").header("y", std::nullopt);
  const KeptRecord record = kept(published);
  EXPECT_EQ(record.key, "acme");
  EXPECT_EQ(record.value, published.value);
  EXPECT_EQ(record.value_length, static_cast<std::int64_t>(published.value->size()));
  EXPECT_FALSE(record.redacted);
  ASSERT_EQ(record.headers.size(), 8U);
  EXPECT_EQ(record.headers[0], std::pair(std::string("ce_specversion"), std::optional<std::string>("1.0")));
  EXPECT_EQ(record.headers[6].second, "\xFF");
  EXPECT_EQ(record.headers[7].second, std::nullopt);
}

TEST(Keeping, TellsNullFromEmpty) {
  Published published(Family::auth, Mode::binary);
  published.null_value = true;
  published.key.reset();
  EXPECT_EQ(kept(published).value, std::nullopt);
  EXPECT_EQ(kept(published).key, std::nullopt);
  EXPECT_EQ(kept_value("").value, "");
}

TEST(Keeping, RedactsKeyAndHeaders) {
  Published published(Family::auth, Mode::binary);
  published.key = std::string(kSecret);
  published.header("x-note", std::string(kSecret))
      .header(std::string(kSecret), "x")
      .header("authorization", "hunter2");
  const KeptRecord record = kept(published);
  EXPECT_EQ(record.key, "[REDACTED:sk-key]");
  EXPECT_EQ(record.headers[6].second, "[REDACTED:sk-key]");
  EXPECT_EQ(record.headers[7].first, "[REDACTED:sk-key]");
  EXPECT_EQ(record.headers[8].second, "[REDACTED:named-secret]");
  EXPECT_TRUE(record.redacted);
}

TEST(Keeping, RedactsLeafByLeafWhereTheValueParses) {
  EXPECT_EQ(kept_value(R"({ "a" : "x sk-0123456789abcdef" , "n":1.50 })").value,
            R"({ "a" : "x [REDACTED:sk-key]" , "n":1.50 })");
  EXPECT_EQ(kept_value(R"({"a":["sk\u002d0123456789abcdef","\n"]})").value,
            R"({"a":["[REDACTED:sk-key]","\n"]})");
  EXPECT_EQ(kept_value(R"({"sk-0123456789abcdef":true})").value, R"({"[REDACTED:sk-key]":true})");
  EXPECT_EQ(kept_value(R"({"password":"hunter2","b":2})").value,
            R"({"password":"[REDACTED:named-secret]","b":2})");
  EXPECT_EQ(kept_value(R"({"cookie":[{"v":"a=bcdef"}],"b":2})").value,
            R"({"cookie":[{"v":"[REDACTED:named-secret]"}],"b":2})");
  EXPECT_EQ(kept_value(R"({"a":1,"a":"sk-0123456789abcdef"})").value, R"({"a":1,"a":"[REDACTED:sk-key]"})")
      << "doubled";
  const std::string framed = std::string("\0\0\0\1\7", 5) + R"({"a":"sk-0123456789abcdef"})";
  EXPECT_EQ(kept_value(framed).value, std::string("\0\0\0\1\7", 5) + R"({"a":"[REDACTED:sk-key]"})");
}

TEST(Keeping, RedactsRawBytesWhereTheValueDoesNotParse) {
  const std::vector<std::pair<std::string, std::string>> values = {
      {R"({"a":"sk-0123456789abcdef)", R"({"a":"[REDACTED:sk-key])"},
      {R"({"a":"sk\u002D0123456789abcdef)", R"({"a":"[REDACTED:sk-key])"},
      {R"({"a":"\u0073\u006b-0123456789abcdef",)", R"({"a":"[REDACTED:sk-key]",)"},
      {R"({"a":"postgres:\/\/ann:hunter2@db",)", R"({"a":"postgres://[REDACTED:url-credentials]@db",)"},
      {R"({"a":"Bearer\u00200123456789abcdef",)", R"({"a":"[REDACTED:bearer-token]",)"},
      {R"({"a":"Bearer\t0123456789abcdef",)", R"({"a":"[REDACTED:bearer-token]",)"},
      {R"({"password":"hunter2")", R"({"password":"[REDACTED:named-secret]")"},
      {"\xFF sk-0123456789abcdef", "\xFF [REDACTED:sk-key]"},
      {std::string("\0sk-0123456789abcdef", 20), std::string("\0[REDACTED:sk-key]", 18)},
  };
  for (const auto& [sent, expected] : values) EXPECT_EQ(kept_value(sent).value, expected);
  EXPECT_EQ(kept_value(R"({"a":"\u0041)").value, R"({"a":"\u0041)") << "folded only where a secret is found";
}

TEST(Keeping, RedactsBeforeItCutsAtOneMebibyte) {
  for (const std::size_t before :
       {kMaxKeptValueBytes - 10, kMaxKeptValueBytes - 1, kMaxKeptValueBytes - 25}) {
    const KeptRecord record =
        kept_value(std::string(before, ' ') + std::string(kSecret) + std::string(100, ' '));
    EXPECT_LE(record.value->size(), kMaxKeptValueBytes);
    EXPECT_THAT(*record.value, Not(HasSubstr("sk-0"))) << before;
    EXPECT_EQ(record.value_length, static_cast<std::int64_t>(before + kSecret.size() + 100));
    EXPECT_TRUE(record.redacted);
  }
  const KeptRecord whole = kept_value(std::string(kMaxKeptValueBytes, 'x'));
  EXPECT_EQ(whole.value->size(), kMaxKeptValueBytes);
  const KeptRecord longer = kept_value(std::string(kMaxKeptValueBytes + 1, 'x'));
  EXPECT_EQ(longer.value->size(), kMaxKeptValueBytes);
  EXPECT_EQ(longer.value_length, static_cast<std::int64_t>(kMaxKeptValueBytes + 1));
  EXPECT_FALSE(longer.redacted);
}

TEST(Keeping, LeavesNoTailOfASecretWhereRedactionShortensTheText) {
  std::string value;
  for (int i = 0; i < 1'000; ++i) value += "sk-" + std::string(1'000, 'a') + " ";
  value += std::string(100'000, ' ');
  const KeptRecord record = kept_value(value + std::string(kSecret));
  EXPECT_THAT(*record.value, Not(HasSubstr("sk-0")));
  EXPECT_THAT(*record.value, Not(HasSubstr("aaaa")));
}

TEST(Keeping, SurvivesAnyBytes) {
  for (const std::string& value :
       {std::string(300'000, '['), std::string(300'000, '\x80'), std::string("\\"), std::string("\\u00"),
        std::string("{\"a\":\"\\"), std::string(2'000'000, '\\')}) {
    EXPECT_EQ(kept_value(value).value_length, static_cast<std::int64_t>(value.size()));
  }
}

}  // namespace
}  // namespace sealstream::test
