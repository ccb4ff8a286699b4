// Goal: what the chain hashes for a json column is what the server prints for the stored jsonb, always.
// Method: generated documents, valid and broken, are printed by both; a document that one refuses the other
// must refuse too, but for numbers of more than 64 characters. The seed is printed; SEALSTREAM_TEST_SEED sets
// it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <regex>

#include "postgres/test_database.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

constexpr int kBatches = 125;
constexpr int kBatchSize = 1'000;
constexpr std::size_t kEnoughCompared = 100'000;

std::uint64_t seed() {
  const char* given = std::getenv("SEALSTREAM_TEST_SEED");
  const std::uint64_t seed = given ? std::stoull(given) : std::random_device()();
  std::cout << "seed " << seed << " (SEALSTREAM_TEST_SEED=" << seed << " repeats it)\n";
  return seed;
}

/// JSON documents, most of them valid.
class Documents {
 public:
  explicit Documents(std::uint64_t seed) : random_(seed) {}

  std::string next() {
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
        return number(true);
      case 3:
        return string(true);
      case 4:
        return broken(value(3));
      default:
        return value(4);
    }
  }

 private:
  int below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }
  bool one_in(int n) { return below(n) == 0; }

  std::string digits(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += static_cast<char>('0' + (one_in(3) ? 0 : below(10)));
    return out;
  }

  std::string number(bool wild) {
    const int longest = wild ? 40 : 8;
    std::string out = one_in(3) ? "-" : "";
    out += one_in(3) ? "0" : static_cast<char>('1' + below(9)) + digits(below(longest));
    if (!one_in(3)) out += "." + digits(1 + below(longest));
    if (one_in(2)) {
      out += one_in(2) ? 'e' : 'E';
      constexpr const char* kSigns[] = {"", "+", "-"};
      out += kSigns[below(3)];
      out += one_in(8) ? "0" + digits(2) : std::to_string(below(wild ? (one_in(50) ? 500 : 70) : 12));
    }
    return out;
  }

  std::string unicode_escape() {
    constexpr std::string_view kHex = "0123456789abcdefABCDEF";
    std::string out = one_in(2) ? "\\u00" : "\\u";
    for (int i = out == "\\u" ? 4 : 2; i > 0; --i) out += kHex[static_cast<std::size_t>(below(22))];
    return out;
  }

  std::string character(bool wild) {
    constexpr const char* kEscapes[] = {"\\b", "\\f", "\\n", "\\r", "\\t", "\\\"", "\\\\", "\\/"};
    constexpr const char* kRaw[] = {"é", "ß", "字", "😀", "\x7F", "\xE2\x80\xA8", "\xEF\xBF\xBF",
                                    " ", "/", "'"};
    constexpr const char* kPairs[] = {"\\ud83d\\ude00", "\\uD800\\uDC00", "\\udbff\\udfff"};
    switch (below(6)) {
      case 0:
        return kEscapes[below(8)];
      case 1:
        return kRaw[below(10)];
      case 2:
        return wild ? unicode_escape() : kPairs[below(3)];
      default:
        return std::string(1, static_cast<char>('a' + below(26)));
    }
  }

  std::string string(bool wild) {
    std::string out = "\"";
    for (int i = below(12); i > 0; --i) out += character(wild);
    return out + "\"";
  }

  /// Few and short, so that they collide and differ in length alone.
  std::string key() {
    constexpr const char* kKeys[] = {"",  "a",   "b",       "B",       "aa", "ab", "é",
                                     "z", "aaa", "\\u0061", "\\u00e9", "_",  "😀",  "\\n"};
    return one_in(6) ? string(false) : "\"" + std::string(kKeys[below(14)]) + "\"";
  }

  std::string space() {
    constexpr const char* kSpaces[] = {"", "", "", " ", "\n\t", "\r\n"};
    return kSpaces[below(6)];
  }

  std::string value(int depth) {
    switch (below(depth > 0 ? 8 : 5)) {
      case 0:
        return "null";
      case 1:
        return one_in(2) ? "true" : "false";
      case 2:
      case 3:
        return number(false);
      case 4:
        return string(false);
      case 5:
        return list(depth, '[', ']');
      default:
        return list(depth, '{', '}');
    }
  }

  std::string list(int depth, char open, char close) {
    std::string out(1, open);
    const int members = below(7);
    for (int i = 0; i < members; ++i) {
      if (i > 0) out += ",";
      out += space();
      if (open == '{') out += key() + space() + ":" + space();
      out += value(depth - 1) + space();
    }
    return out + close;
  }

  /// One ASCII character dropped, doubled or replaced.
  std::string broken(std::string document) {
    constexpr std::string_view kReplacements = "{}[]\",:0-+.eEtfnu\\ \x01";
    const auto at = static_cast<std::size_t>(below(static_cast<int>(document.size())));
    if (static_cast<unsigned char>(document[at]) >= 0x80) return document;
    switch (below(3)) {
      case 0:
        return document.erase(at, 1);
      case 1:
        return document.insert(at, 1, document[at]);
      default:
        document[at] = kReplacements[static_cast<std::size_t>(below(static_cast<int>(kReplacements.size())))];
    }
    return document;
  }

  std::mt19937_64 random_;
};

/// An array literal of texts.
std::string array_of(const std::vector<std::string>& texts) {
  std::string out = "{";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

/// Whether a document may hold a number beyond our bound, also in a member that a later one of the same name
/// replaces.
bool may_hold_long_number(const std::string& document) {
  static const std::regex kLong("[eE][+-]?[0-9]{2}|[0-9.]{60}");
  return std::regex_search(document, kLong);
}

TEST(JsonTextDifferential, PrintsWhatTheServerPrintsAndRefusesWhatItRefuses) {
  constexpr const char* kRefused = "refused";
  SuperuserSession server;
  server.run(
      "CREATE FUNCTION pg_temp.printed(document text) RETURNS text LANGUAGE plpgsql AS $$ "
      "BEGIN RETURN document::jsonb::text; EXCEPTION WHEN OTHERS THEN RETURN 'refused'; END $$");
  Documents documents(seed());
  std::size_t compared = 0;
  std::size_t refused = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<std::string> asked;
    while (asked.size() < kBatchSize) asked.push_back(documents.next());
    const auto answers = server.values(
        "SELECT pg_temp.printed(d) FROM unnest($1::text[]) WITH ORDINALITY AS asked (d, i) ORDER BY i",
        {array_of(asked)});
    ASSERT_EQ(answers.size(), asked.size());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto ours = json_text(asked[i]);
      if (!ours && may_hold_long_number(asked[i])) continue;
      ASSERT_EQ(ours.value_or(kRefused), answers[i]) << asked[i];
      if (ours) {
        ASSERT_EQ(json_text(*ours), ours) << asked[i];
        ++compared;
      } else {
        ++refused;
      }
    }
  }
  std::cout << compared << " compared, " << refused << " refused by both\n";
  EXPECT_GE(compared, kEnoughCompared);
  EXPECT_GE(refused, 1'000u);
}

TEST(MoneyDifferential, RoundsAndPrintsAsTheServersNumericDoes) {
  SuperuserSession server;
  std::mt19937_64 random(seed());
  const auto digits = [&](int count) {
    std::string out;
    while (count-- > 0) out += static_cast<char>('0' + random() % 10);
    return out;
  };
  std::vector<std::string> amounts;
  while (amounts.size() < 10'000) {
    // A tail beyond the last place: mostly an exact half, which is where the modes of rounding differ.
    const std::string tail = random() % 2   ? "5"
                             : random() % 2 ? "5000"
                                            : digits(static_cast<int>(random() % 9));
    amounts.push_back(std::to_string(random() % 1'000'000) + "." + digits(12) + tail);
  }
  // Half to even, in the server's own arithmetic: round() breaks ties away from zero.
  const auto answers = server.values(
      "SELECT trim_scale(CASE WHEN x - trunc(x, 12) = 0.0000000000005 AND mod(trunc(x, 12) * 1000000000000, "
      "2) = 0"
      " THEN trunc(x, 12) ELSE round(x, 12) END)::text"
      " FROM unnest($1::numeric[]) WITH ORDINALITY AS asked (x, i) ORDER BY i",
      {array_of(amounts)});
  ASSERT_EQ(answers.size(), amounts.size());
  for (std::size_t i = 0; i < amounts.size(); ++i)
    ASSERT_EQ(money_text(amounts[i]), answers[i]) << amounts[i];
}

}  // namespace
}  // namespace sealstream
