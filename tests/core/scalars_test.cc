// Goal: times, numbers, addresses and cut texts are read exactly as the contract says, at their edges too.
// Method: lists of texts with what they mean.
#include "core/scalars.h"

#include <gtest/gtest.h>

#include <random>

namespace sealstream {
namespace {

std::optional<std::int64_t> micros(std::string_view text) {
  const auto time = parse_time(text);
  if (!time) return std::nullopt;
  return time->time_since_epoch().count();
}

TEST(Times, AreReadToTheMicrosecond) {
  EXPECT_EQ(micros("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(micros("2025-01-24T09:20:46Z"), 1737710446000000);
  EXPECT_EQ(micros("2025-01-24T09:20:46.8Z"), 1737710446800000);
  EXPECT_EQ(micros("2025-01-24T09:20:46.847371Z"), 1737710446847371);
  EXPECT_EQ(micros("2025-01-24T09:20:46.8473719999Z"), 1737710446847371) << "truncated";
  EXPECT_EQ(micros("2025-01-24t09:20:46z"), 1737710446000000);
  EXPECT_EQ(micros("2025-01-24T09:20:46+00:00"), 1737710446000000);
  EXPECT_EQ(micros("2025-01-24T09:20:46-00:00"), 1737710446000000);
  EXPECT_EQ(micros("2025-01-24T14:50:46+05:30"), 1737710446000000);
  EXPECT_EQ(micros("2025-01-23T22:20:46-11:00"), 1737710446000000);
  EXPECT_EQ(micros("2024-02-29T00:00:00Z"), 1709164800000000);
  EXPECT_EQ(micros("2024-12-31T23:59:59.999999+23:59"), 1735603199999999 + 60'000'000);
}

TEST(Times, ThatAreNoneAreRefused) {
  for (const char* text : {"",
                           "2025",
                           "2025-01-24",
                           "2025-01-24T09:20Z",
                           "2025-01-24T09:20:46",
                           "2025-01-24 09:20:46Z",
                           "2025-1-24T09:20:46Z",
                           "2025-13-01T00:00:00Z",
                           "2025-00-01T00:00:00Z",
                           "2025-02-29T00:00:00Z",
                           "2025-04-31T00:00:00Z",
                           "2025-01-00T00:00:00Z",
                           "2025-01-24T24:00:00Z",
                           "2025-01-24T09:60:00Z",
                           "2016-12-31T23:59:60Z",
                           "2025-01-24T09:20:46.Z",
                           "2025-01-24T09:20:46,5Z",
                           "2025-01-24T09:20:46+0530",
                           "2025-01-24T09:20:46+24:00",
                           "2025-01-24T09:20:46+05:60",
                           "2025-01-24T09:20:46ZZ",
                           "+2025-01-24T09:20:46Z",
                           "2025-01-24T09:20:46Z ",
                           " 2025-01-24T09:20:46Z",
                           "2025-01-24T-9:20:46Z"}) {
    EXPECT_EQ(micros(text), std::nullopt) << text;
  }
}

TEST(Integers, ArePlainDigitsWithinTheirBounds) {
  EXPECT_EQ(parse_integer("0", 0, kMaxInteger), 0);
  EXPECT_EQ(parse_integer("9007199254740991", 0, kMaxInteger), kMaxInteger);
  EXPECT_EQ(parse_integer("-2147483648", INT32_MIN, INT32_MAX), INT32_MIN);
  for (const char* text : {"", "-", "-0", "00", "01", "1.0", "1e3", "+1", " 1", "1 ", "9007199254740992",
                           "-1", "0x1", "99999999999999999999999999", "१"}) {
    EXPECT_EQ(parse_integer(text, 0, kMaxInteger), std::nullopt) << text;
  }
}

std::string network(std::string_view text) {
  const auto bytes = parse_address(text);
  if (!bytes) return "none";
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char byte : *bytes) {
    hex += kDigits[static_cast<unsigned char>(byte) >> 4];
    hex += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return hex;
}

TEST(Addresses, AreWhatPostgreSqlSends) {
  const std::string v4 = "02200004c0000207";
  const std::string v6 = "0380001020010db8000000000000000000000001";
  EXPECT_EQ(network("192.0.2.7"), v4);
  EXPECT_EQ(network(" 192.0.2.7 "), v4);
  EXPECT_EQ(network("192.0.2.7:8080"), v4);
  EXPECT_EQ(network("192.0.2.7, 10.0.0.1"), v4);
  EXPECT_EQ(network("unknown, 192.0.2.7"), v4);
  EXPECT_EQ(network("2001:db8::1"), v6);
  EXPECT_EQ(network("[2001:db8::1]"), v6);
  EXPECT_EQ(network("[2001:DB8:0::1]:443"), v6);
  EXPECT_EQ(network("2001:db8::1%eth0"), v6);
  EXPECT_EQ(network("[2001:db8::1%25eth0]:443,10.0.0.1"), v6);
  EXPECT_EQ(network("::ffff:192.0.2.7"), "0380001000000000000000000000ffffc0000207") << "stays IPv6";
}

TEST(Addresses, ThatAreNoHostsAreNone) {
  for (const char* text : {"", "unknown", "localhost", "192.0.2", "192.0.2.256", "192.0.2.07", "192.0.2.7/32",
                           "10.0.0.0/8", "192.0.2.7:", "192.0.2.7:port", "192.0.2.7:123456", "[2001:db8::1",
                           "[2001:db8::1]x", "2001:db8::g", ":::1", "1:2:3", "192.0.2.7%eth0", ",", "%"}) {
    EXPECT_EQ(network(text), "none") << text;
  }
}

TEST(Cutting, NeverSplitsACharacterOrAMarker) {
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abcd", 3), "abc");
  EXPECT_EQ(cut("aé", 2), "a");
  EXPECT_EQ(cut("é", 1), "");
  EXPECT_EQ(cut("a[REDACTED:sk-key]b", 18), "a[REDACTED:sk-key]");
  EXPECT_EQ(cut("a[REDACTED:sk-key]b", 17), "a");
  EXPECT_EQ(cut("a[REDACTED:sk-key]b", 2), "a");
  EXPECT_EQ(cut("a[REDACTED:nonsense]b", 17), "a[REDACTED:nonsen") << "no rule of ours";
  EXPECT_EQ(cut(std::string(10, '\x80'), 5).size(), 2U) << "steps back three bytes at most";
}

TEST(Urls, LoseTheirPathsAndCredentials) {
  EXPECT_EQ(origin_of("https://mcp.example:8443/a/b?c#d"), "https://mcp.example:8443");
  EXPECT_EQ(origin_of("https://ann:x@mcp.example/a@b"), "https://mcp.example");
  EXPECT_EQ(origin_of("https://mcp.example?x"), "https://mcp.example");
  EXPECT_EQ(origin_of("https://[2001:db8::1]:443/x"), "https://[2001:db8::1]:443");
  EXPECT_EQ(origin_of("ann:x@mcp.example:8443/x"), "mcp.example:8443");
  EXPECT_EQ(origin_of("stdio"), "stdio");
  EXPECT_EQ(origin_of("github-mcp/tools"), "github-mcp");
  EXPECT_EQ(origin_of(""), "");
  EXPECT_EQ(without_query("/v1/x?y=z"), "/v1/x");
  EXPECT_EQ(without_query("/v1/x#y"), "/v1/x");
  EXPECT_EQ(without_query("/v1/x"), "/v1/x");
}

TEST(ContentTypes, AreReadWithoutParameters) {
  for (const char* type :
       {"application/json", "APPLICATION/Json;charset=x", " text/json ", "application/vnd.x+json"}) {
    EXPECT_TRUE(is_json_type(type)) << type;
  }
  for (const char* type :
       {"", "json", "text/plain", "application/jsonl", "application/xml;x=application/json"}) {
    EXPECT_FALSE(is_json_type(type)) << type;
  }
}

TEST(TraceParents, AreThoseOfTheW3c) {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  const std::string span = "b7ad6b7169203331";
  const std::string valid = "00-" + trace + "-" + span + "-01";
  const auto parent = parse_traceparent(valid);
  ASSERT_TRUE(parent);
  EXPECT_EQ(parent->trace_id, trace);
  EXPECT_EQ(parent->span_id, span);
  for (const std::string& text :
       {std::string(), "ff-" + trace + "-" + span + "-01", "00-" + std::string(32, '0') + "-" + span + "-01",
        "00-" + trace + "-" + std::string(16, '0') + "-01", "00-" + trace + "-" + span + "-0g",
        "00_" + trace + "-" + span + "-01", "00-" + std::string(32, 'A') + "-" + span + "-01"}) {
    EXPECT_FALSE(parse_traceparent(text)) << text;
  }
}

}  // namespace
}  // namespace sealstream
