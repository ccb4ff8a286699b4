// A JSON document in memory: every value visited and valid, in the order of the document. Parsed by simdjson
// On-Demand, which checks only what it is asked for; so this asks for everything.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/core/error.h"

namespace sealstream {

/// One value. Its descendants follow it directly, up to `end`.
struct JsonNode {
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  bool redacted = false;      ///< `text` holds markers in place of secrets
  bool named_secret = false;  ///< the member, or one around it, is named like a secret
  bool escaped = false;       ///< the document writes `name` or `text` with escapes
  std::uint32_t end = 0;      ///< index of the node after its last descendant; 0 while it is still open
  std::uint32_t length = 0;   ///< of a string: its bytes as sent, before anything was redacted
  std::uint32_t name_at = 0;  ///< where the member's name begins in the document, at its quote
  std::uint32_t text_at = 0;  ///< where the value begins in the document
  std::string_view name;      ///< of an object's member: unescaped. Empty for the root and in an array
  std::string_view text;      ///< of a string: unescaped. Of a number or boolean: its token

  bool is(Kind other) const { return kind == other; }
};

struct JsonLimits {
  int depth;            ///< objects and arrays that are open at once
  int members;          ///< members of all objects together
  bool unique_members;  ///< whether two members of one name in one object are a fault
};

/// Parses documents one after the other and keeps its buffers. Nodes and their texts live until the next
/// parse. Not thread-safe.
class JsonTree {
 public:
  JsonTree();
  ~JsonTree();

  /// Replaces the tree by that of `document`. Returns why it has none: invalid_utf8, invalid_json,
  /// nul_character, duplicate_member, too_deep or too_large. Linear in the document but for hostile objects,
  /// whose names are compared with each other; nothing grows beyond the limits.
  std::optional<Refusal> parse(std::string_view document, const JsonLimits& limits);

  std::vector<JsonNode>& nodes() { return nodes_; }
  /// The bytes of the document, where the nodes' places lie.
  std::string_view document() const;
  const JsonNode& root() const { return nodes_.front(); }

  /// The direct children of an array or object, in order.
  class Children;
  Children children(const JsonNode& node) const;
  const JsonNode* child(const JsonNode& object, std::string_view name) const;

  /// Where a node lies, as publishers write it: "usage.input_tokens", "policies_hit[3].verdict". Empty for
  /// the root. Names that are no plain words stand as "*", since a name can be a secret too.
  std::string path(const JsonNode& node) const;

 private:
  struct Parser;
  std::uint32_t index(const JsonNode& node) const {
    return static_cast<std::uint32_t>(&node - nodes_.data());
  }

  std::unique_ptr<Parser> parser_;
  std::vector<JsonNode> nodes_;
};

class JsonTree::Children {
 public:
  class Iterator {
   public:
    Iterator(const JsonNode* base, const JsonNode* at) : base_(base), at_(at) {}
    const JsonNode& operator*() const { return *at_; }
    Iterator& operator++() {
      at_ = base_ + at_->end;
      return *this;
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    const JsonNode* base_;
    const JsonNode* at_;
  };

  Children(const JsonNode* base, const JsonNode& parent) : base_(base), parent_(&parent) {}
  Iterator begin() const { return {base_, parent_ + 1}; }
  Iterator end() const { return {base_, base_ + parent_->end}; }

 private:
  const JsonNode* base_;
  const JsonNode* parent_;
};

inline JsonTree::Children JsonTree::children(const JsonNode& node) const { return {nodes_.data(), node}; }

/// Marks what lies in or below members that are named like secrets: password, authorization, …
void mark_secret_names(JsonTree& tree);

/// Appends a member's name to a path, or "*" where it is no plain word or holds a secret.
void append_member(std::string& path, std::string_view name);

/// The parent's path and the member's name as one path.
std::string join_path(std::string_view parent, std::string_view member);

/// What is wrong with a string that PostgreSQL cannot store as text: invalid_utf8 or nul_character. The
/// caller sets the path.
std::optional<Refusal> text_fault(std::string_view text);

/// Appends the json text form of a node and its descendants. Returns the number that has none.
const JsonNode* append_text_form(std::string& out, const JsonTree& tree, const JsonNode& node);

}  // namespace sealstream
