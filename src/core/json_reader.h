// The quick way to a JSON tree, for documents that nothing is wrong with: nearly all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_tree.h"

namespace sealstream {

/// Reads documents one after the other and keeps its buffer. Not thread-safe.
class JsonReader {
 public:
  /// Behind a document there must be this many bytes of zero.
  static constexpr std::size_t kPadding = 16;

  /// Fills `nodes`, which must be empty, from `document`: valid UTF-8, no longer than 4 GiB. False where it
  /// is no JSON object by RFC 8259, passes a limit, or holds U+0000 or half a surrogate pair; then the nodes
  /// are of no use, and why is not said. The nodes' texts view the document, or live until the next call
  /// where they were escaped. Linear but for hostile objects, whose names are compared with each other.
  bool read(std::string_view document, const JsonLimits& limits, std::vector<JsonNode>& nodes);

 private:
  bool value(JsonNode node, int depth);
  bool object(std::uint32_t self, int depth);
  bool array(int depth);
  bool number();
  bool word(std::string_view word);
  bool string(std::string_view& out, bool& escaped);
  bool escaped_string(const char* begin, std::string_view& out);
  void skip_space();
  std::uint32_t offset() const { return static_cast<std::uint32_t>(at_ - document_.data()); }

  std::string_view document_;
  const char* at_ = nullptr;
  JsonLimits limits_{};
  int members_ = 0;
  std::vector<JsonNode>* nodes_ = nullptr;
  std::string unescaped_;  ///< never grows while views of it are out
};

}  // namespace sealstream
