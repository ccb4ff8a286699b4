#include "core/json_reader.h"

#include <bit>
#include <cassert>
#include <cstring>

#include "core/json_escape.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace sealstream {
namespace {

using Kind = JsonNode::Kind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The first quote, backslash or control character from `at` on. The padding is one.
const char* string_end(const char* at) {
#ifdef __SSE2__
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i last_control = _mm_set1_epi8(0x1F);
  for (;; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    const __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
    const auto found = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(control, mark)));
    if (found != 0) return at + std::countr_zero(found);
  }
#else
  while (*at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) ++at;
  return at;
#endif
}

}  // namespace

bool JsonReader::read(std::string_view document, const JsonLimits& limits, std::vector<JsonNode>& nodes) {
  assert(nodes.empty() && document.data()[document.size()] == '\0');
  document_ = document;
  at_ = document.data();
  limits_ = limits;
  members_ = 0;
  nodes_ = &nodes;
  unescaped_.clear();
  skip_space();
  if (*at_ != '{' || !value({}, 0)) return false;
  skip_space();
  return at_ == document.data() + document.size();
}

/// The value at `at_`, as `node`, which has its name already.
bool JsonReader::value(JsonNode node, int depth) {
  const auto self = static_cast<std::uint32_t>(nodes_->size());
  node.text_at = offset();
  switch (*at_) {
    case '{':
    case '[':
      if (depth == limits_.depth) return false;
      node.kind = *at_ == '{' ? Kind::object : Kind::array;
      nodes_->push_back(node);
      if (!(node.is(Kind::object) ? object(self, depth + 1) : array(depth + 1))) return false;
      (*nodes_)[self].end = static_cast<std::uint32_t>(nodes_->size());
      return true;
    case '"':
      node.kind = Kind::string;
      if (!string(node.text, node.escaped)) return false;
      node.length = static_cast<std::uint32_t>(node.text.size());
      break;
    case 't':
    case 'f':
      node.kind = Kind::boolean;
      if (!word(*at_ == 't' ? "true" : "false")) return false;
      break;
    case 'n':
      if (!word("null")) return false;
      break;
    default:
      node.kind = Kind::number;
      if (!number()) return false;
  }
  if (!node.is(Kind::string)) node.text = document_.substr(node.text_at, offset() - node.text_at);
  node.end = self + 1;
  nodes_->push_back(node);
  return true;
}

bool JsonReader::object(std::uint32_t self, int depth) {
  std::uint64_t seen = 0;
  ++at_;
  skip_space();
  if (*at_ == '}') return ++at_, true;
  for (;; ++at_, skip_space()) {
    if (*at_ != '"') return false;
    JsonNode node;
    node.name_at = offset();
    if (!string(node.name, node.escaped) || ++members_ > limits_.members) return false;
    const std::uint64_t bit = name_bit(node.name);
    if (limits_.unique_members && (seen & bit) != 0 && has_member(*nodes_, self, node.name)) return false;
    seen |= bit;
    skip_space();
    if (*at_ != ':') return false;
    ++at_;
    skip_space();
    if (!value(node, depth)) return false;
    skip_space();
    if (*at_ == '}') return ++at_, true;
    if (*at_ != ',') return false;
  }
}

bool JsonReader::array(int depth) {
  ++at_;
  skip_space();
  if (*at_ == ']') return ++at_, true;
  for (;; ++at_, skip_space()) {
    if (!value({}, depth)) return false;
    skip_space();
    if (*at_ == ']') return ++at_, true;
    if (*at_ != ',') return false;
  }
}

/// RFC 8259, section 6: [-] (0 | digits) [. digits] [(e|E) [+|-] digits]
bool JsonReader::number() {
  const auto take_digits = [this] {
    const char* before = at_;
    while (is_digit(*at_)) ++at_;
    return at_ > before;
  };
  if (*at_ == '-') ++at_;
  if (*at_ == '0') {
    ++at_;
  } else if (!take_digits()) {
    return false;
  }
  if (*at_ == '.') {
    ++at_;
    if (!take_digits()) return false;
  }
  if (*at_ == 'e' || *at_ == 'E') {
    ++at_;
    if (*at_ == '+' || *at_ == '-') ++at_;
    return take_digits();
  }
  return true;
}

bool JsonReader::word(std::string_view word) {
  if (std::memcmp(at_, word.data(), word.size()) != 0) return false;
  at_ += word.size();
  return true;
}

bool JsonReader::string(std::string_view& out, bool& escaped) {
  const char* begin = ++at_;
  at_ = string_end(at_);
  if (*at_ == '"') {
    out = {begin, static_cast<std::size_t>(at_ - begin)};
    return ++at_, true;
  }
  escaped = true;
  return *at_ == '\\' && escaped_string(begin, out);
}

/// The rest of a string that began at `begin` and has an escape at `at_`.
bool JsonReader::escaped_string(const char* begin, std::string_view& out) {
  unescaped_.reserve(document_.size());  // no string grows by unescaping
  const std::size_t out_begin = unescaped_.size();
  while (*at_ == '\\') {
    unescaped_.append(begin, at_);
    const std::size_t length = append_unescaped(unescaped_, document_.substr(offset()));
    if (length == 0) return false;
    begin = at_ + length;
    at_ = string_end(begin);
  }
  if (*at_ != '"') return false;
  unescaped_.append(begin, at_);
  out = std::string_view(unescaped_).substr(out_begin);
  return ++at_, true;
}

void JsonReader::skip_space() {
  while (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r') ++at_;
}

}  // namespace sealstream
