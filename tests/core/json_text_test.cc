// Goal: the json text form is, byte for byte, what PostgreSQL 15 prints for the stored jsonb.
// Method: answers noted from a PostgreSQL 15, by hand; tests/postgres/json_text_differential_test.cc asks the
// server itself about generated values.
#include "sealstream/core/json_text.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

using namespace std::string_literals;

std::string number(std::string_view token) {
  std::string out;
  return append_json_number(out, token) ? out : "refused";
}

std::string text(std::string_view document) { return json_text(document).value_or("refused"); }

std::string money(std::string_view amount) { return money_text(amount).value_or("refused"); }

TEST(JsonNumber, KeepsTheScaleItWasWrittenWith) {
  EXPECT_EQ(number("1"), "1");
  EXPECT_EQ(number("1.0"), "1.0");
  EXPECT_EQ(number("1.00"), "1.00");
  EXPECT_EQ(number("-3.250"), "-3.250");
}

TEST(JsonNumber, WritesExponentsOut) {
  EXPECT_EQ(number("1e5"), "100000");
  EXPECT_EQ(number("1E+5"), "100000");
  EXPECT_EQ(number("1.50e1"), "15.0");
  EXPECT_EQ(number("1E-5"), "0.00001");
  EXPECT_EQ(number("100e-2"), "1.00");
  EXPECT_EQ(number("12.345e1"), "123.45");
  EXPECT_EQ(number("0.0012e2"), "0.12");
  EXPECT_EQ(number("0.001e3"), "1");
  EXPECT_EQ(number("-12e-4"), "-0.0012");
  EXPECT_EQ(number("1e0000000000000000005"), "100000");
}

TEST(JsonNumber, ZeroHasAScaleButNoSign) {
  EXPECT_EQ(number("-0"), "0");
  EXPECT_EQ(number("-0.0"), "0.0");
  EXPECT_EQ(number("0.0e-5"), "0.000000");
  EXPECT_EQ(number("0e5"), "0");
  EXPECT_EQ(number("0.00e1"), "0.0");
  EXPECT_EQ(number("0e999999999"), "0");
}

TEST(JsonNumber, MoreThan64CharactersAreRefused) {
  EXPECT_EQ(number(std::string(64, '9')), std::string(64, '9'));
  EXPECT_EQ(number(std::string(65, '9')), "refused");
  EXPECT_EQ(number("-" + std::string(63, '9')), "-" + std::string(63, '9'));
  EXPECT_EQ(number("-" + std::string(64, '9')), "refused");
  EXPECT_EQ(number("1e63").size(), 64u);
  EXPECT_EQ(number("1e64"), "refused");
  EXPECT_EQ(number("1e-62").size(), 64u);
  EXPECT_EQ(number("1e-63"), "refused");
  EXPECT_EQ(number("0e-62").size(), 64u);
  EXPECT_EQ(number("0e-63"), "refused");
}

TEST(JsonNumber, HugeExponentsAreRefusedWithoutWritingThemOut) {
  EXPECT_EQ(number("1e999999999"), "refused");
  EXPECT_EQ(number("1e-999999999"), "refused");
  EXPECT_EQ(number("0e1000000000"), "refused");
  EXPECT_EQ(number("1e99999999999999999999999999999999999999"), "refused");
}

TEST(JsonNumber, WhatIsNoJsonNumberIsRefusedAndLeavesTheOutputAlone) {
  for (const std::string_view token : {"", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1 ", " 1", "0x1",
                                       "NaN", "Infinity", "1.5.2", "1e5.0"}) {
    std::string out = "before";
    EXPECT_FALSE(append_json_number(out, token)) << token;
    EXPECT_EQ(out, "before") << token;
  }
}

TEST(JsonText, EscapesWhatPostgresEscapesAndNothingElse) {
  EXPECT_EQ(text(R"("\u0008\f\n\r\t\"\\\/")"), R"("\b\f\n\r\t\"\\/")");
  EXPECT_EQ(text(R"("\u0001\u001F\u007f\u2028")"), "\"\\u0001\\u001f\x7F\xE2\x80\xA8\"");
  EXPECT_EQ(text(R"("\u00e9\ud83d\ude00")"), "\"é😀\"");
  EXPECT_EQ(text("\"é😀\""), "\"é😀\"");
}

/// The escaped form, byte by byte.
std::string escaped(std::string_view utf8) {
  std::string out;
  for (const char c : utf8) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\x01' ? "\\u0001" : c == '\x1f' ? "\\u001f" : std::string(1, c);
  }
  return "\"" + out + "\"";
}

TEST(JsonText, EscapesWhereverTheCharacterStands) {
  constexpr std::size_t kLength = 20;  // two blocks of eight, and a rest
  for (const char filler : {'a', ' ', '!', '#', '[', ']', '\x7f', '\xc3'}) {
    for (const char c : {'"', '\\', '\x01', '\x1f'}) {
      for (std::size_t at = 0; at < kLength; ++at) {
        std::string utf8(kLength, filler);
        utf8[at] = c;
        std::string out;
        append_json_string(out, utf8);
        EXPECT_EQ(out, escaped(utf8)) << at;
      }
    }
  }
}

TEST(JsonText, KeysComeByLengthThenBytesAndTheLastDuplicateWins) {
  EXPECT_EQ(text(R"({"bb":1,"a":2,"":3,"B":4,"aa":5})"), R"({"": 3, "B": 4, "a": 2, "aa": 5, "bb": 1})");
  EXPECT_EQ(text(R"({"a":1,"b":2,"a":3})"), R"({"a": 3, "b": 2})");
  EXPECT_EQ(text(R"({"a":1,"\u0061":2})"), R"({"a": 2})");
  EXPECT_EQ(text(R"({"é":1,"zz":2,"z":3})"), R"({"z": 3, "zz": 2, "é": 1})");
}

TEST(JsonText, SpacingIsPostgres) {
  EXPECT_EQ(text(" [ 1,2 , {\"a\" :[ ]}\t,{ } ,true,false,\r\nnull] "),
            R"([1, 2, {"a": []}, {}, true, false, null])");
}

TEST(JsonText, IsAFixedPoint) {
  const std::string once = text(R"({"b":[1.0,"\n",{"x":null}],"a":-0.0e-3})");
  EXPECT_EQ(text(once), once);
}

TEST(JsonText, WhatJsonbRefusesIsRefused) {
  for (const std::string& document : {""s,
                                      " "s,
                                      "nul"s,
                                      "truex"s,
                                      "[1,]"s,
                                      "[1 2]"s,
                                      "{,}"s,
                                      "{\"a\"}"s,
                                      "{\"a\":1,}"s,
                                      "{a:1}"s,
                                      "[1"s,
                                      "{"s,
                                      "\"a"s,
                                      "1 2"s,
                                      "'a'"s,
                                      R"("\u0000")"s,
                                      "\"\0\""s,
                                      "\"\n\""s,
                                      R"("\ud800")"s,
                                      R"("\ud800\u0041")"s,
                                      R"("\udc00")"s,
                                      R"("\x")"s,
                                      R"("\u12g4")"s,
                                      R"("\u12)"s,
                                      "\"\xFF\""s,
                                      "\"\xC0\x80\""s,
                                      "\"\xED\xA0\x80\""s,
                                      "1e99"s,
                                      "[01]"s,
                                      "\xEF\xBB\xBF"
                                      "1"s}) {
    EXPECT_EQ(text(document), "refused") << document;
  }
}

TEST(JsonText, DepthIsBounded) {
  const auto nested = [](int depth) {
    const auto count = static_cast<std::size_t>(depth);
    return std::string(count, '[') + std::string(count, ']');
  };
  EXPECT_EQ(text(nested(kMaxJsonTextDepth)), nested(kMaxJsonTextDepth));
  EXPECT_EQ(text(nested(kMaxJsonTextDepth + 1)), "refused");
  EXPECT_EQ(text(std::string(1'000'000, '[')), "refused");
}

TEST(JsonObject, AnObjectWithoutMembersIsEmpty) {
  JsonObject object;
  EXPECT_TRUE(object.empty());
  EXPECT_EQ(std::move(object).text(), "{}");
}

TEST(JsonObject, MembersComeOutInOrderAndTheLastOfEqualKeysWins) {
  JsonObject object;
  object.set("long", "1");
  object.set("b", "\"x\"");
  object.set("long", "2");
  object.set("q\"", "[]");
  EXPECT_FALSE(object.empty());
  EXPECT_EQ(std::move(object).text(), R"({"b": "x", "q\"": [], "long": 2})");
}

TEST(Money, IsRoundedHalfEvenToTwelvePlaces) {
  EXPECT_EQ(money("0.00022500000000000002"), "0.000225");
  EXPECT_EQ(money("0.0000000000005"), "0");
  EXPECT_EQ(money("0.00000000000050000000000000000001"), "0.000000000001");
  EXPECT_EQ(money("0.0000000000015"), "0.000000000002");
  EXPECT_EQ(money("0.0000000000025"), "0.000000000002");
  EXPECT_EQ(money("0.9999999999995"), "1");
  EXPECT_EQ(money("2.1234567890126"), "2.123456789013");
  EXPECT_EQ(money("0.00000000000049"), "0");
  EXPECT_EQ(money("0.00000000000009"), "0");
}

TEST(Money, PrintsWithoutTrailingZeros) {
  EXPECT_EQ(money("12"), "12");
  EXPECT_EQ(money("12.000"), "12");
  EXPECT_EQ(money("0.50"), "0.5");
  EXPECT_EQ(money("-0.00"), "0");
  EXPECT_EQ(money("100"), "100");
}

TEST(Money, ExponentsOfAnySizeAreAnsweredAtOnce) {
  EXPECT_EQ(money("2.25E-4"), "0.000225");
  EXPECT_EQ(money("1e6"), "1000000");
  EXPECT_EQ(money("0.001e5"), "100");
  EXPECT_EQ(money("5e-13"), "0");
  EXPECT_EQ(money("6e-13"), "0.000000000001");
  EXPECT_EQ(money("1e-999999999"), "0");
  EXPECT_EQ(money("0e999999999"), "0");
  EXPECT_EQ(money("1e999999999"), "refused");
  EXPECT_EQ(money("1e9999999999999999999"), "refused");
}

TEST(Money, StopsAtAMillion) {
  EXPECT_EQ(money("1000000"), "1000000");
  EXPECT_EQ(money("1000000.00000"), "1000000");
  EXPECT_EQ(money("999999.9999999999996"), "1000000");
  EXPECT_EQ(money("1000000.0000000000001"), "refused");
  EXPECT_EQ(money("1000000.000000000001"), "refused");
  EXPECT_EQ(money("9999999"), "refused");
  EXPECT_EQ(money("10000000"), "refused");
  EXPECT_EQ(money("-0.0000000000000001"), "refused");
}

TEST(Money, WhatIsNoDecimalIsRefused) {
  for (const std::string_view amount : {"", "1,5", "$1", "1.", ".5", "+1", "0x1", "NaN", "1 ", "1e"}) {
    EXPECT_EQ(money(amount), "refused") << amount;
  }
}

}  // namespace
}  // namespace sealstream
