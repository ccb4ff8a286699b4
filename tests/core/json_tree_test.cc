// Goal: a document is a tree only if it is JSON from its first byte to its last, within the limits; and
// hostile documents cost no more than lawful ones of their size. Method: lists of documents that are and are
// not JSON (RFC 8259), and documents that are made to be large or deep.
#include "core/json_tree.h"

#include <gtest/gtest.h>

#include <chrono>

#include "sealstream/core/event.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

constexpr JsonLimits kLimits{kMaxDepth, kMaxMembers, true};

/// The json text form of a document, or the reason that it is refused.
std::string outcome(std::string_view document) {
  JsonTree tree;
  if (const auto fault = tree.parse(document, kLimits)) return std::string(name(fault->reason));
  std::string text;
  const JsonNode* fault = append_text_form(text, tree, tree.root());
  return fault == nullptr ? text : "number";
}

TEST(JsonTree, HoldsEveryValueOfADocument) {
  const std::vector<std::pair<std::string, std::string>> documents = {
      {"{}", "{}"},
      {" \t\r\n{ } \n", "{}"},
      {R"({"b":1,"a":[],"":{}})", R"({"": {}, "a": [], "b": 1})"},
      {R"({"a":[1,[2,{"b":[3]}],"x",true,false,null]})",
       R"({"a": [1, [2, {"b": [3]}], "x", true, false, null]})"},
      {R"({"a":-0.50e+1})", R"({"a": -5.0})"},
      {R"({"a":123456789012345678901234567890})", R"({"a": 123456789012345678901234567890})"},
      {R"({"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"})", R"({"a": "\"\\/\b\f\n\r\té😀"})"},
      {R"({"\u0061":1})", R"({"a": 1})"},
      {"{\"a\":\"\x7F\xE2\x80\xA8\"}", "{\"a\": \"\x7F\xE2\x80\xA8\"}"},
  };
  for (const auto& [document, text] : documents) EXPECT_EQ(outcome(document), text);
}

TEST(JsonTree, RefusesWhatIsNoJson) {
  for (const char* document : {"",
                               " ",
                               "{",
                               "}",
                               "[]",
                               "[1]",
                               "1",
                               "\"a\"",
                               "null",
                               "{}x",
                               "{}{}",
                               "{},",
                               "{}]",
                               "{\"a\"}",
                               "{\"a\":}",
                               "{a:1}",
                               "{\"a\":1,}",
                               "{,\"a\":1}",
                               "{\"a\":1 \"b\":2}",
                               "{\"a\" 1}",
                               "{\"a\":1:2}",
                               "{\"a\"::1}",
                               "{\"a\":[1,]}",
                               "{\"a\":[,1]}",
                               "{\"a\":[1 2]}",
                               "{\"a\":[1}",
                               "{\"a\":[1}]",
                               "{\"a\":{]}",
                               "{\"a\":tru}",
                               "{\"a\":TRUE}",
                               "{\"a\":truex}",
                               "{\"a\":nul}",
                               "{\"a\":nulll}",
                               "{\"a\":01}",
                               "{\"a\":-}",
                               "{\"a\":+1}",
                               "{\"a\":.5}",
                               "{\"a\":1.}",
                               "{\"a\":1e}",
                               "{\"a\":1e+}",
                               "{\"a\":0x1}",
                               "{\"a\":1_0}",
                               "{\"a\":NaN}",
                               "{\"a\":Infinity}",
                               "{\"a\":--1}",
                               "{\"a\":\"\n\"}",
                               "{\"a\":\"\t\"}",
                               "{\"a\":\"x}",
                               "{\"a\":\"\\x\"}",
                               "{\"a\":\"\\u12\"}",
                               "{\"a\":\"\\u12g4\"}",
                               "{\"a\":'x'}",
                               "{'a':1}",
                               "{\"a\":1}/**/",
                               "{\"a\":/**/1}",
                               "{\"a\":\"x\"\"y\"}",
                               "{\"a\":\"x\":1}",
                               "{\"a\":[\"x\":1]}",
                               "{1:2}",
                               "{null:1}",
                               "{\"a\":1;}",
                               "{\"a\":#}",
                               "{[]:1}",
                               "{\"a\":{}:1}",
                               "\xEF\xBB\xBF{}",
                               "{\"a\":1\"b\":2}",
                               "{\"a\":[]1}",
                               "{\"a\":{}1}",
                               "{\"a\":{\"b\":1]}}",
                               "{\"a\\x\":1}"}) {
    EXPECT_EQ(outcome(document), "invalid_json") << document;
  }
  EXPECT_EQ(outcome(std::string_view("{}\0", 3)), "invalid_json");
  EXPECT_EQ(outcome(std::string_view("{\"a\":\0}", 7)), "invalid_json");
}

TEST(JsonTree, RefusesWhatIsNoUtf8) {
  for (const char* bytes :
       {"\xFF", "\xC0\x80", "\xE9", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\x80"}) {
    EXPECT_EQ(outcome(std::string("{\"a\":\"") + bytes + "\"}"), "invalid_utf8");
    EXPECT_EQ(outcome(std::string("{\"") + bytes + "\":1}"), "invalid_utf8");
    EXPECT_EQ(outcome(std::string("{") + bytes + "}"), "invalid_utf8");
  }
  for (const char* escape : {R"(\ud800)", R"(\udfff)", R"(\ud800\ud800)", R"(\ud800x)", R"(\ud800\n)",
                             R"(\udc00\ud800)", R"(\uD83D)"}) {
    EXPECT_EQ(outcome(std::string("{\"a\":\"") + escape + "\"}"), "invalid_utf8") << escape;
    EXPECT_EQ(outcome(std::string("{\"") + escape + "\":1}"), "invalid_utf8") << escape;
  }
}

TEST(JsonTree, FindsDuplicatesAtEveryDepthAndInEverySize) {
  EXPECT_EQ(outcome(R"({"a":{"b":[{"c":1,"d":2,"c":3}]}})"), "duplicate_member");
  EXPECT_EQ(outcome(R"({"":1,"":2})"), "duplicate_member");
  EXPECT_NE(outcome(R"({"a":{"a":1},"b":{"a":1}})"), "duplicate_member");
  for (const int members : {2, 10, 100, 1'999}) {
    std::string document = "{";
    for (int i = 0; i < members; ++i) document += "\"m" + std::to_string(i) + "\":0,";
    EXPECT_NE(outcome(document + "\"x\":0}"), "duplicate_member");
    EXPECT_EQ(outcome(document + "\"m0\":0}"), "duplicate_member");
    EXPECT_EQ(outcome(document + "\"m" + std::to_string(members - 1) + "\":0}"), "duplicate_member");
  }
}

TEST(JsonTree, ShowsOnlyPlainNamesInPaths) {
  JsonTree tree;
  ASSERT_FALSE(tree.parse(R"({"a":{"b c":{"sk-0123456789abcdef":[0,{"é":1},{"x":2}]}}})", kLimits));
  const JsonNode& last = tree.nodes().back();
  EXPECT_EQ(last.name, "x");
  EXPECT_EQ(tree.path(last), "a.*.*[2].x");
  EXPECT_EQ(tree.path(tree.root()), "");
  std::string path;
  append_member(path, std::string(65, 'a'));
  EXPECT_EQ(path, "*");
}

TEST(JsonTree, IsReplacedByTheNextDocument) {
  JsonTree tree;
  ASSERT_FALSE(tree.parse(R"({"a":[1,2,3]})", kLimits));
  ASSERT_TRUE(tree.parse(R"({"a":[1,2,)", kLimits));
  ASSERT_FALSE(tree.parse(R"({"b":"x"})", kLimits));
  EXPECT_EQ(tree.nodes().size(), 2U);
  EXPECT_EQ(tree.child(tree.root(), "b")->text, "x");
  EXPECT_EQ(tree.child(tree.root(), "a"), nullptr);
}

std::string repeated(std::string_view piece, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(HostileDocuments, AreRefusedInBoundedTime) {
  const std::string brackets = "{\"a\":" + repeated("[", 100'000) + repeated("]", 100'000) + "}";
  const std::string braces = repeated("{\"a\":", 50'000) + "1" + repeated("}", 50'000);
  std::string million = "{";
  for (int i = 0; i < 1'000'000; ++i) million += "\"" + std::to_string(i) + "\":0,";
  million += "\"x\":0}";
  std::string alike = "{";
  for (int i = 0; i < 1'999; ++i) {
    const std::string number = std::to_string(1'000'000 + i);
    alike += "\"a" + std::string(100, 'x') + number.substr(1) + "z\":0,";
  }
  alike += "\"x\":0}";
  const std::vector<std::pair<std::string, std::string>> documents = {
      {brackets, "too_deep"},
      {braces, "too_deep"},
      {million, "too_large"},
      {repeated("[", kMaxValueBytes), "invalid_json"},
      {repeated("{", kMaxValueBytes), "invalid_json"},
      {"{\"a\":" + repeated("[", kMaxValueBytes), "invalid_json"},
      {repeated("\"", kMaxValueBytes), "invalid_json"},
      {repeated("\\", kMaxValueBytes), "invalid_json"},
      {repeated(",", kMaxValueBytes), "invalid_json"},
      {"{\"a\":" + repeated("9", kMaxValueBytes) + "}", "number"},
      {"{\"a\":1e999999999}", "number"},
      {"{\"a\":1e-999999999}", "number"},
      {"{\"a\":1e" + repeated("9", kMaxValueBytes) + "}", "number"},
      {alike, ""},
  };
  for (const auto& [document, reason] : documents) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string found = outcome(document);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << document.substr(0, 20);
    EXPECT_TRUE(reason.empty() || found == reason) << document.substr(0, 20) << " " << found.substr(0, 40);
  }
}

TEST(HostileDocuments, MayHoldManyItems) {
  const std::string items = "{\"a\":[0" + repeated(",0", 100'000) + "]}";
  JsonTree tree;
  ASSERT_FALSE(tree.parse(items, kLimits));
  EXPECT_EQ(tree.nodes().size(), 100'003U);
}

TEST(HostileDocuments, WithEveryByteChangedAreJsonOrNot) {
  const std::string document = R"({"a":[1.5e3,"x\u00e9",{"b":null}],"c":true,"d":{"e":"f"}})";
  for (std::size_t i = 0; i < document.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = document;
      changed[i] = static_cast<char>(byte);
      JsonTree tree;
      const bool refused = tree.parse(changed, {kMaxDepth, kMaxMembers, false}).has_value();
      std::string text;
      const bool printed = !refused && append_text_form(text, tree, tree.root()) == nullptr;
      // A second parser, which shares no code with simdjson. NUL and half surrogates have no text form
      // either.
      const auto expected = json_text(changed);
      ASSERT_EQ(printed, expected.has_value()) << changed;
      ASSERT_TRUE(!printed || text == *expected) << changed << " " << text;
    }
    EXPECT_NE(outcome(document.substr(0, i)), document);
  }
}

}  // namespace
}  // namespace sealstream
