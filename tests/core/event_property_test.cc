// Goal: every valid event decodes to what it says, alike in all modes; no bytes at all make the decoder
// misbehave. Method: events generated from the table of members, with the columns that follow from it; valid
// records with bytes changed at random. Run under sanitizers too. A failure prints its seed.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "core/member_table.h"
#include "publisher.h"
#include "sealstream/core/event.h"
#include "sealstream/core/json_text.h"
#include "sealstream/core/secrets.h"

namespace sealstream::test {
namespace {

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::size_t up_to(std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random_); }
  bool one_in(std::size_t n) { return up_to(n - 1) == 0; }

  /// Text of at most `bound` bytes, with everything that JSON escapes and nothing that is a secret.
  std::string text(std::size_t bound) {
    static const std::vector<std::string> kPieces = {"a",    "B",      "7",  " ",  "-",  "_", "é",
                                                     "😀",    "\n",     "\t", "\"", "\\", "/", "\x01",
                                                     "\x7F", "\u2028", "x",  "yz", "<",  "'"};
    std::string text;
    for (std::size_t count = up_to(12); count > 0; --count) {
      const std::string& piece = kPieces[up_to(kPieces.size() - 1)];
      if (text.size() + piece.size() <= bound) text += piece;
    }
    return text;
  }

 private:
  std::mt19937 random_;
};

std::string json(std::string_view text) {
  std::string quoted;
  append_json_string(quoted, text);
  return quoted;
}

std::string first_word(std::string_view names) { return std::string(names.substr(0, names.find(' '))); }

/// A value for a member, and what its column then shows; members without a column show nothing.
struct Value {
  std::string sent;
  std::string column;
};

Value value_for(const Member& member, Generator& generate) {
  switch (member.kind) {
    case MemberKind::choice: {
      const std::string word = first_word(member.names);
      return {json(word), word};
    }
    case MemberKind::integer:
    case MemberKind::signed_integer: {
      const std::string number = std::to_string(generate.up_to(2'000'000'000));
      return {generate.one_in(2) ? number : json(number), number};
    }
    case MemberKind::money:
      return {generate.one_in(2) ? "0.250" : "\"0.25\"", "0.25"};
    case MemberKind::boolean:
      return {"true", "true"};
    case MemberKind::time:
      return {"\"2026-01-01T00:00:00Z\"", ""};
    case MemberKind::address:
      return {"\"192.0.2.7\"", std::string("\2\x20\0\4\xC0\0\2\7", 8)};
    case MemberKind::key_hash:
      return {json(std::string(64, 'c')), std::string(64, 'c')};
    case MemberKind::path:
      return {"\"/v1/chat?q=1\"", "/v1/chat"};
    case MemberKind::origin:
      return {"\"https://h:1/x\"", "https://h:1"};
    case MemberKind::texts:
      return {"[" + json(generate.text(20)) + "]", ""};
    case MemberKind::ranges:
      return {"[[1,2]]", ""};
    case MemberKind::record:
      return {"{\"" + first_word(member.names) + "\":\"x\"}",
              "{\"" + first_word(member.names) + "\": \"x\"}"};
    case MemberKind::records:
      return {"[{\"" + first_word(member.names) + "\":\"x\"}]",
              "[{\"" + first_word(member.names) + "\": \"x\"}]"};
    case MemberKind::object:
    case MemberKind::any:
      return {"{\"a\":[1,{}]}", ""};
    default: {
      const std::string text = generate.text(member.bound);
      return {json(text), text};
    }
  }
}

TEST(Decoding, GivesWhatWasPublishedInEveryMode) {
  for (unsigned seed = 0; seed < 3'000; ++seed) {
    SCOPED_TRACE(seed);
    Generator generate(seed);
    const auto family = static_cast<Family>(generate.up_to(kPublishedFamilies - 1));
    Data data = minimal(family);
    std::map<Column, std::string> expected;
    for (const Member& member : members()) {
      if ((member.families & bit(family)) == 0 || !generate.one_in(2)) continue;
      const Value value = value_for(member, generate);
      data.set(member.path, value.sent);
      if (member.place == Place::column) expected[member.column] = value.column;
    }
    Decoder decoder;
    std::vector<Row> rows;
    for (const Mode mode : {Mode::binary, Mode::structured, Mode::bare}) {
      auto event = decoder.decode(Published(family, mode).with(data).record());
      ASSERT_TRUE(event.ok()) << event.refusal().member_path << ": " << event.refusal().message;
      rows.push_back(event.value().row);
    }
    for (const auto& [target, text] : expected) ASSERT_EQ(column(rows[0], target), text) << info(target).name;
    for (const ColumnInfo& info : kColumns) {
      ASSERT_EQ(column(rows[0], info.column), column(rows[1], info.column)) << info.name;
      ASSERT_EQ(column(rows[0], info.column), column(rows[2], info.column)) << info.name;
    }
  }
}

void change(std::string& bytes, Generator& generate) {
  static const std::vector<std::string> kPieces = {"{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   ":",
                                                   "\"",
                                                   "\\",
                                                   "\\u0000",
                                                   "\\ud800",
                                                   "null",
                                                   "1e999999999",
                                                   std::string(1, '\0'),
                                                   "\xFF",
                                                   "sk-0123456789abcdef",
                                                   "\"a\":",
                                                   "-",
                                                   "9"};
  const std::size_t at = generate.up_to(bytes.size());
  if (generate.one_in(3)) {
    bytes.erase(at, generate.up_to(8));
  } else if (generate.one_in(2)) {
    bytes.insert(at, kPieces[generate.up_to(kPieces.size() - 1)]);
  } else if (at < bytes.size()) {
    bytes[at] = static_cast<char>(generate.up_to(255));
  }
}

TEST(Decoding, OfAnyBytesIsAnEventOrARefusalWithAReason) {
  Decoder decoder;
  std::vector<std::uint32_t> hits(secret_rules().size());
  int refused = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    SCOPED_TRACE(seed);
    Generator generate(seed);
    Published published(static_cast<Family>(generate.up_to(kPublishedFamilies - 1)),
                        static_cast<Mode>(generate.up_to(2)));
    const Record valid = published.record();
    std::string value(*valid.value);
    for (std::size_t changes = generate.up_to(3); changes > 0; --changes) change(value, generate);
    if (generate.one_in(8)) change(*published.key, generate);
    if (generate.one_in(8)) change(published.attributes[generate.up_to(5)].second, generate);
    if (generate.one_in(8)) change(published.attributes[generate.up_to(5)].first, generate);
    published.value = value;
    const Record record = published.record();
    auto event = decoder.decode(record);
    if (event) continue;
    ++refused;
    ASSERT_FALSE(event.refusal().message.empty());
    const KeptRecord kept = keep(record, hits);
    ASSERT_FALSE(kept.value && holds_secret(*kept.value)) << *kept.value;
    ASSERT_FALSE(tombstone_tenant(record).empty());
  }
  EXPECT_GT(refused, 5'000);
}

}  // namespace
}  // namespace sealstream::test
