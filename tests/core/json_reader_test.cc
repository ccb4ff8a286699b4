// Goal: the quick way to a tree and simdjson's give the same answer for every document: the same nodes or the
// same refusal, and the quick way reads what nothing is wrong with. Method: the values of
// tests/data/decode_vectors.jsonl, as they are and with pieces set in at random places, parsed in both ways.
// Run under sanitizers too. A failure prints its seed.
#include "core/json_reader.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>

#include "core/hex.h"
#include "sealstream/core/event.h"

namespace sealstream {
namespace {

constexpr JsonLimits kLimits{kMaxDepth, kMaxMembers, true};

std::vector<std::string> documents() {
  std::vector<std::string> found;
  simdjson::dom::parser parser;
  simdjson::dom::document_stream lines;
  const simdjson::padded_string file =
      simdjson::padded_string::load(SEALSTREAM_SOURCE_DIR "/tests/data/decode_vectors.jsonl");
  EXPECT_EQ(parser.parse_many(file).get(lines), simdjson::SUCCESS);
  for (const simdjson::dom::element line : lines) {
    std::string_view text;
    if (line["value"].get(text) == simdjson::SUCCESS) found.emplace_back(text);
    if (line["value"]["hex"].get(text) == simdjson::SUCCESS) found.push_back(from_hex(text));
  }
  return found;
}

/// Everything that a tree tells.
std::string told(JsonTree& tree, const std::optional<Refusal>& fault) {
  if (fault) {
    return std::string(name(fault->reason)).append(" ").append(fault->member_path).append(fault->message);
  }
  std::string out;
  for (const JsonNode& node : tree.nodes()) {
    for (const std::uint32_t number : {static_cast<std::uint32_t>(node.kind), node.end, node.length,
                                       node.name_at, node.text_at, std::uint32_t{node.escaped}}) {
      out.append(std::to_string(number)).append(" ");
    }
    out.append(node.name).append("=").append(node.text).append("\n");
  }
  return out;
}

/// A few pieces of JSON, good and bad, set in at random.
std::string changed(std::string document, std::mt19937& random) {
  static const std::vector<std::string> kPieces = {"\"",
                                                   "\\",
                                                   "\\\"",
                                                   "\\n",
                                                   "\\/",
                                                   "\\u00e9",
                                                   "\\ud83d\\ude00",
                                                   "\\ud83d",
                                                   "\\ude00",
                                                   "\\u12",
                                                   "\\u0000",
                                                   "\\x",
                                                   "{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   ":",
                                                   "1",
                                                   "-",
                                                   "0",
                                                   "1.5e+3",
                                                   "1.",
                                                   "1e400",
                                                   "null",
                                                   "true",
                                                   "fals",
                                                   " ",
                                                   "\n\t\r",
                                                   "\f",
                                                   "é",
                                                   "\xC3",
                                                   "\x01",
                                                   "\"a\":1,",
                                                   "[1,2]",
                                                   "{\"b\":[]}",
                                                   "\x7F",
                                                   std::string(1, '\0')};
  for (auto count = 1 + random() % 3; count > 0; --count) {
    document.insert(random() % (document.size() + 1), kPieces[random() % kPieces.size()]);
  }
  return document;
}

TEST(JsonReader, GivesTheTreeThatSimdjsonGives) {
  JsonTree quick;
  JsonTree exact;
  std::size_t valid = 0;
  std::size_t refused = 0;
  const auto all = documents();
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    for (const std::string& document : all) {
      const std::string sent = seed == 0 ? document : changed(document, random);
      const auto quick_fault = quick.parse(sent, kLimits);
      const auto exact_fault = exact.parse_exactly(sent, kLimits);
      ASSERT_EQ(told(quick, quick_fault), told(exact, exact_fault)) << "seed " << seed << ": " << sent;
      ++(exact_fault ? refused : valid);
    }
  }
  EXPECT_GT(valid, 2'000U);
  EXPECT_GT(refused, 2'000U);
}

TEST(JsonReader, ReadsEveryDocumentThatNothingIsWrongWith) {
  JsonReader reader;
  JsonTree exact;
  for (const std::string& document : documents()) {
    if (exact.parse_exactly(document, kLimits)) continue;
    std::vector<JsonNode> nodes;
    const std::string padded = document + std::string(JsonReader::kPadding, '\0');
    EXPECT_TRUE(reader.read(std::string_view(padded).substr(0, document.size()), kLimits, nodes)) << document;
  }
}

}  // namespace
}  // namespace sealstream
