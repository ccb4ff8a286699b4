#include "core/json_tree.h"

#include <simdjson.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "core/secret_rules.h"
#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

using simdjson::ondemand::json_type;
using Kind = JsonNode::Kind;

constexpr const char* kIncompleteObject = "Send valid JSON: an object is incomplete.";
constexpr const char* kIncompleteArray = "Send valid JSON: an array is incomplete.";

std::string_view trimmed(std::string_view token) {
  while (!token.empty() && std::strchr(" \t\n\r", token.back()) != nullptr) token.remove_suffix(1);
  return token;
}

std::string_view digits_dropped(std::string_view token) {
  token.remove_prefix(std::min(token.find_first_not_of("0123456789"), token.size()));
  return token;
}

/// RFC 8259, section 6: [-] (0 | digits) [. digits] [(e|E) [+|-] digits]
bool is_json_number(std::string_view token) {
  const auto take = [&token](std::string_view any) {
    const bool found = !token.empty() && any.find(token.front()) != any.npos;
    if (found) token.remove_prefix(1);
    return found;
  };
  const auto take_digits = [&token] {
    const std::size_t before = token.size();
    token = digits_dropped(token);
    return token.size() < before;
  };
  take("-");
  if (!take("0") && !take_digits()) return false;
  if (take(".") && !take_digits()) return false;
  if (take("eE")) {
    take("+-");
    if (!take_digits()) return false;
  }
  return token.empty();
}

/// Whether text that came from valid UTF-8 by unescaping holds half of a surrogate pair.
bool holds_surrogate(std::string_view text) {
  for (std::size_t i = text.find('\xED'); i != text.npos; i = text.find('\xED', i + 1)) {
    if (i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xA0) return true;
  }
  return false;
}

/// Whether a string token (from its quote on) that simdjson could not unescape has well-formed escapes, so
/// that only a lone surrogate can be the reason.
bool escapes_are_well_formed(std::string_view token) {
  for (std::size_t i = 1; i < token.size() && token[i] != '"'; ++i) {
    if (token[i] != '\\') continue;
    if (++i == token.size()) return false;
    if (token[i] != 'u') {
      if (std::strchr("\"\\/bfnrt", token[i]) == nullptr) return false;
      continue;
    }
    for (int digit = 0; digit < 4; ++digit) {
      if (++i >= token.size() || std::isxdigit(static_cast<unsigned char>(token[i])) == 0) return false;
    }
  }
  return true;
}

/// Whether a string token (from its quote on) holds no escape, given the length of its text. Only an escape
/// can bring a NUL or half a surrogate pair into a valid document's string.
bool is_plain(std::string_view token, std::size_t length) {
  return token[length + 1] == '"' && token[length] != '\\';
}

/// Whether text is ASCII without U+0000, eight bytes at a time. May miss some that is, next to what is not.
bool is_plain_ascii(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x8080808080808080;
  std::uint64_t tops = 0;
  for (; text.size() >= sizeof(std::uint64_t); text.remove_prefix(sizeof(std::uint64_t))) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data(), sizeof(eight));
    tops |= eight | (eight - kOnes);
  }
  for (const char c : text) tops |= c == '\0' || (c & 0x80) != 0 ? kTops : 0;
  return (tops & kTops) == 0;
}

/// A bit for a name, so that most objects are known to be free of duplicates without comparing.
std::uint64_t name_bit(std::string_view name) {
  if (name.empty()) return 1;
  const auto first = static_cast<unsigned char>(name.front());
  const auto last = static_cast<unsigned char>(name.back());
  return std::uint64_t{1} << ((name.size() * 7 + std::size_t{first} * 3 + last) % 64);
}

}  // namespace

struct JsonTree::Parser {
  simdjson::ondemand::parser simd;
  std::string buffer;
  JsonLimits limits{};
  int members = 0;
  std::vector<JsonNode>* nodes = nullptr;
  JsonTree* tree = nullptr;

  using Fault = std::optional<Refusal>;

  Fault run(std::string_view document);
  Fault value(simdjson::ondemand::value& value, int depth, JsonNode& node);
  Fault string(simdjson::ondemand::value& value, JsonNode& node);
  Fault scalar(simdjson::ondemand::value& value, JsonNode& node);
  Fault array(simdjson::ondemand::array items, std::uint32_t self, int depth);
  Fault object(simdjson::ondemand::object fields, std::uint32_t self, int depth);
  Fault member_name(simdjson::ondemand::field& field, JsonNode& node);
  Fault unescaped(simdjson::simdjson_result<std::string_view> text, std::string_view token, JsonNode& node,
                  std::string_view& out);
  bool is_duplicate(std::uint32_t self, std::string_view name) const;
  std::uint32_t offset(const char* at) const { return static_cast<std::uint32_t>(at - buffer.data()); }

  /// The fault at a node that is not among the nodes yet.
  Refusal fault(Reason reason, const JsonNode& node, std::string message) {
    nodes->push_back(node);
    return {reason, tree->path(nodes->back()), std::move(message)};
  }
  static Refusal not_json(const char* what) { return {Reason::invalid_json, {}, what}; }
};

JsonTree::JsonTree() : parser_(std::make_unique<Parser>()) {}
JsonTree::~JsonTree() = default;

std::string_view JsonTree::document() const { return parser_->buffer; }

std::optional<Refusal> JsonTree::parse(std::string_view document, const JsonLimits& limits) {
  nodes_.clear();
  parser_->limits = limits;
  parser_->members = 0;
  parser_->nodes = &nodes_;
  parser_->tree = this;
  return parser_->run(document);
}

std::optional<Refusal> JsonTree::Parser::run(std::string_view document) {
  if (!simdjson::validate_utf8(document)) {
    return Refusal{Reason::invalid_utf8, {}, "Send the value as UTF-8."};
  }
  buffer.reserve(document.size() + simdjson::SIMDJSON_PADDING);
  buffer.assign(document);
  simdjson::ondemand::document parsed;
  if (simd.iterate(buffer.data(), buffer.size(), buffer.capacity()).get(parsed) != simdjson::SUCCESS) {
    return not_json("Send one complete JSON object.");
  }
  json_type type{};
  if (parsed.type().get(type) != simdjson::SUCCESS) return not_json("Send one complete JSON object.");
  if (type != json_type::object) return not_json("Send a JSON object, not another kind of value.");
  JsonNode root;
  root.kind = Kind::object;
  nodes->push_back(root);
  simdjson::ondemand::object members_of_root;
  if (parsed.get_object().get(members_of_root) != simdjson::SUCCESS) return not_json(kIncompleteObject);
  if (auto fault = object(members_of_root, 0, 1)) return fault;
  if (parsed.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    return not_json("Send nothing behind the JSON object.");
  }
  return std::nullopt;
}

std::optional<Refusal> JsonTree::Parser::value(simdjson::ondemand::value& value, int depth, JsonNode& node) {
  json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) return not_json("Send valid JSON.");
  node.text_at = offset(value.raw_json_token().data());
  if (type == json_type::string) return string(value, node);
  if (type != json_type::object && type != json_type::array) return scalar(value, node);
  node.kind = type == json_type::object ? Kind::object : Kind::array;
  if (depth == limits.depth) {
    return fault(Reason::too_deep, node,
                 "Nest at most " + std::to_string(limits.depth) + " objects and arrays in each other.");
  }
  const auto self = static_cast<std::uint32_t>(nodes->size());
  nodes->push_back(node);
  if (type == json_type::object) {
    simdjson::ondemand::object members_of_value;
    if (value.get_object().get(members_of_value) != simdjson::SUCCESS) return not_json(kIncompleteObject);
    return object(members_of_value, self, depth + 1);
  }
  simdjson::ondemand::array items;
  if (value.get_array().get(items) != simdjson::SUCCESS) return not_json(kIncompleteArray);
  return array(items, self, depth + 1);
}

std::optional<Refusal> JsonTree::Parser::string(simdjson::ondemand::value& value, JsonNode& node) {
  const std::string_view token = value.raw_json_token();
  node.kind = Kind::string;
  if (auto fault = unescaped(value.get_string(), token, node, node.text)) return fault;
  node.length = static_cast<std::uint32_t>(node.text.size());
  node.end = static_cast<std::uint32_t>(nodes->size()) + 1;
  nodes->push_back(node);
  return std::nullopt;
}

std::optional<Refusal> JsonTree::Parser::scalar(simdjson::ondemand::value& value, JsonNode& node) {
  node.text = trimmed(value.raw_json_token());
  if (node.text == "null") {
    node.kind = Kind::null;
  } else if (node.text == "true" || node.text == "false") {
    node.kind = Kind::boolean;
  } else if (is_json_number(node.text)) {
    node.kind = Kind::number;
  } else {
    return not_json("Send valid JSON: a value is no string, number, true, false, null, object or array.");
  }
  node.end = static_cast<std::uint32_t>(nodes->size()) + 1;
  nodes->push_back(node);
  return std::nullopt;
}

std::optional<Refusal> JsonTree::Parser::array(simdjson::ondemand::array items, std::uint32_t self,
                                               int depth) {
  for (auto next : items) {
    if (next.error() != simdjson::SUCCESS) return not_json(kIncompleteArray);
    simdjson::ondemand::value item = next.value_unsafe();
    JsonNode node;
    if (auto fault = value(item, depth, node)) return fault;
  }
  (*nodes)[self].end = static_cast<std::uint32_t>(nodes->size());
  return std::nullopt;
}

std::optional<Refusal> JsonTree::Parser::object(simdjson::ondemand::object fields, std::uint32_t self,
                                                int depth) {
  std::uint64_t seen = 0;
  for (auto next : fields) {
    if (next.error() != simdjson::SUCCESS) return not_json(kIncompleteObject);
    simdjson::ondemand::field field = next.value_unsafe();
    JsonNode node;
    if (auto fault = member_name(field, node)) return fault;
    if (++members > limits.members) {
      return fault(Reason::too_large, node,
                   "Send at most " + std::to_string(limits.members) + " members in all objects together.");
    }
    const std::uint64_t bit = name_bit(node.name);
    if (limits.unique_members && (seen & bit) != 0 && is_duplicate(self, node.name)) {
      return fault(Reason::duplicate_member, node, "Send each member of an object once.");
    }
    seen |= bit;
    if (auto fault = value(field.value(), depth, node)) return fault;
  }
  (*nodes)[self].end = static_cast<std::uint32_t>(nodes->size());
  return std::nullopt;
}

std::optional<Refusal> JsonTree::Parser::member_name(simdjson::ondemand::field& field, JsonNode& node) {
  const char* quote = field.key().raw() - 1;
  node.name_at = offset(quote);
  const std::string_view token(quote, buffer.size() - node.name_at);
  return unescaped(field.unescaped_key(), token, node, node.name);
}

std::optional<Refusal> JsonTree::Parser::unescaped(simdjson::simdjson_result<std::string_view> text,
                                                   std::string_view token, JsonNode& node,
                                                   std::string_view& out) {
  const bool failed = text.error() != simdjson::SUCCESS;
  if (!failed) out = text.value_unsafe();
  if (!failed && is_plain(token, out.size())) return std::nullopt;
  node.escaped = true;
  if (failed && !escapes_are_well_formed(token)) {
    return not_json("Send valid JSON: a string has an unknown escape.");
  }
  if (failed || holds_surrogate(out)) {
    return fault(Reason::invalid_utf8, node,
                 "Send no half of a surrogate pair: such text has no UTF-8 form.");
  }
  if (out.find('\0') != out.npos) {
    return fault(Reason::nul_character, node, "Send no U+0000: PostgreSQL's text cannot hold it.");
  }
  return std::nullopt;
}

bool JsonTree::Parser::is_duplicate(std::uint32_t self, std::string_view name) const {
  for (std::uint32_t i = self + 1; i < nodes->size(); i = (*nodes)[i].end) {
    if ((*nodes)[i].name == name) return true;
  }
  return false;
}

const JsonNode* JsonTree::child(const JsonNode& object, std::string_view name) const {
  for (const JsonNode& member : children(object)) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

std::string JsonTree::path(const JsonNode& node) const {
  const std::uint32_t target = index(node);
  std::string path;
  std::uint32_t parent = 0;
  while (parent != target) {
    std::uint32_t child = parent + 1;
    int place = 0;
    while (nodes_[child].end != 0 && nodes_[child].end <= target) {
      child = nodes_[child].end;
      ++place;
    }
    if (nodes_[parent].is(Kind::array)) {
      path += '[' + std::to_string(place) + ']';
    } else {
      if (!path.empty()) path += '.';
      append_member(path, nodes_[child].name);
    }
    parent = child;
  }
  return path;
}

void mark_secret_names(JsonTree& tree) {
  std::uint32_t secret_end = 0;
  std::uint32_t i = 0;
  for (JsonNode& node : tree.nodes()) {
    if (names_secret(node.name)) secret_end = std::max(secret_end, node.end);
    node.named_secret = i++ < secret_end;
  }
}

void append_member(std::string& path, std::string_view name) {
  constexpr std::size_t kLongestShown = 64;
  const bool plain = !name.empty() && name.size() <= kLongestShown && std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  });
  path += plain && !holds_secret(name) ? name : "*";
}

std::string join_path(std::string_view parent, std::string_view member) {
  if (parent.empty()) return std::string(member);
  if (member.empty()) return std::string(parent);
  std::string path(parent);
  if (member.front() != '[') path += '.';
  return path += member;
}

std::optional<Refusal> text_fault(std::string_view text) {
  if (is_plain_ascii(text)) return std::nullopt;
  if (!simdjson::validate_utf8(text)) return Refusal{Reason::invalid_utf8, {}, "Send the text as UTF-8."};
  if (text.find('\0') != text.npos) {
    return Refusal{Reason::nul_character, {}, "Send no U+0000: PostgreSQL's text cannot hold it."};
  }
  return std::nullopt;
}

const JsonNode* append_text_form(std::string& out, const JsonTree& tree, const JsonNode& node) {
  switch (node.kind) {
    case Kind::null:
    case Kind::boolean:
      out += node.text;
      return nullptr;
    case Kind::number:
      return append_json_number(out, node.text) ? nullptr : &node;
    case Kind::string:
      append_json_string(out, node.text);
      return nullptr;
    case Kind::array: {
      const char* separator = "[";
      for (const JsonNode& item : tree.children(node)) {
        out += separator;
        if (const JsonNode* fault = append_text_form(out, tree, item)) return fault;
        separator = ", ";
      }
      out += *separator == '[' ? "[]" : "]";
      return nullptr;
    }
    case Kind::object: {
      JsonObject members;
      for (const JsonNode& member : tree.children(node)) {
        if (const JsonNode* fault = append_text_form(members.add(member.name), tree, member)) return fault;
      }
      std::move(members).append_text(out);
      return nullptr;
    }
  }
  return nullptr;
}

}  // namespace sealstream
