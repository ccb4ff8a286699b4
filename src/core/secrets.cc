// The scan: one pass over a text, which stops only at pairs of bytes that some shape begins with.
#include "sealstream/core/secrets.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <map>
#include <set>
#include <vector>

#include "core/secret_rules.h"
#include "core/secret_shapes.h"

namespace sealstream {
namespace {

/// No shape is shorter: "://:p@".
constexpr std::size_t kShortestSecret = 6;

char large_letter(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; }

/// Which shapes are tried at a place, by the two bytes that stand there.
class Dispatch {
 public:
  Dispatch() {
    std::map<std::size_t, Shapes> by_pair;
    const auto shapes = compiled_shapes();
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      for (const std::size_t pair : beginnings(shapes[i]))
        by_pair[pair].push_back(static_cast<std::uint8_t>(i));
    }
    std::map<Shapes, std::uint8_t> known;
    lists_.emplace_back();
    for (const auto& [pair, shapes_there] : by_pair) {
      const auto [entry, is_new] = known.emplace(shapes_there, static_cast<std::uint8_t>(lists_.size()));
      if (is_new) lists_.push_back(shapes_there);
      list_of_pair_[pair] = entry->second;
    }
    assert(lists_.size() <= UINT8_MAX);
  }

  bool is_candidate(const char* at) const { return list_of_pair_[pair(at[0], at[1])] != 0; }
  std::span<const std::uint8_t> shapes(const char* at) const {
    return lists_[list_of_pair_[pair(at[0], at[1])]];
  }

 private:
  using Shapes = std::vector<std::uint8_t>;

  static std::size_t pair(char first, char second) {
    return static_cast<std::size_t>(static_cast<unsigned char>(first)) << 8 |
           static_cast<unsigned char>(second);
  }

  /// The pairs that a shape can begin with.
  static std::set<std::size_t> beginnings(const Shape& shape) {
    std::set<std::size_t> pairs;
    if (shape.body == Body::named_secret) {
      for (const std::string_view name : secret_names()) {
        add_any_case(pairs, name[0], name[1]);
        if (name[1] != '-') continue;  // it may be missing or stand as '_'
        add_any_case(pairs, name[0], '_');
        add_any_case(pairs, name[0], name[2]);
      }
    } else if (shape.begins.size() == 1) {
      for (int second = 0; second < 256; ++second)
        pairs.insert(pair(shape.begins[0], static_cast<char>(second)));
    } else if (is_any_case(shape.body)) {
      add_any_case(pairs, shape.begins[0], shape.begins[1]);
    } else {
      pairs.insert(pair(shape.begins[0], shape.begins[1]));
    }
    return pairs;
  }
  static void add_any_case(std::set<std::size_t>& pairs, char first, char second) {
    for (const char a : {first, large_letter(first)}) {
      for (const char b : {second, large_letter(second)}) pairs.insert(pair(a, b));
    }
  }

  std::vector<Shapes> lists_;  ///< the first one is empty
  std::array<std::uint8_t, 65536> list_of_pair_{};
};

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdefABCDEF") == text.npos; }

/// Whether `before` ends in an escape of a string in a string (\n, \u003d), of a URL (%20) or of a terminal
/// (ESC [ 31 m), so that its last letter belongs to no word.
bool ends_in_escape(std::string_view before) {
  const auto ends = [before](std::size_t length) { return before.substr(before.size() - length); };
  if (before.size() >= 2 && ends(2)[0] == '\\' &&
      std::string_view("bfnrt").find(before.back()) != before.npos) {
    return true;
  }
  if (before.size() >= 3 && ends(3)[0] == '%' && is_hex(ends(2))) return true;
  if (before.size() >= 6 && ends(6).starts_with("\\u") && is_hex(ends(4))) return true;
  constexpr std::size_t kLongestColour = 5;
  std::size_t digits = 0;
  while (digits <= kLongestColour && before.size() > digits + 1 &&
         std::string_view("0123456789;").find(before[before.size() - 2 - digits]) != before.npos) {
    ++digits;
  }
  return before.back() == 'm' && digits <= kLongestColour && before.size() >= digits + 3 &&
         ends(digits + 3).starts_with("\x1b[");
}

/// A marker can join what a secret kept apart: "://" and ":password@" around a key with a '/'. So the result
/// is read again, but not without end.
constexpr int kMostPasses = 4;

std::optional<std::string> redact_once(std::string_view text, std::span<std::uint32_t> hits) {
  SecretScan scan(text);
  auto match = scan.next();
  if (!match) return std::nullopt;
  std::string redacted;
  std::size_t copied = 0;
  for (; match; match = scan.next()) {
    redacted.append(text, copied, match->begin - copied).append(marker(match->rule));
    copied = match->end;
    ++hits[match->rule];
  }
  return redacted.append(text, copied);
}

}  // namespace

std::optional<SecretMatch> SecretScan::next() {
  static const Dispatch kDispatch;
  if (text_.size() < kShortestSecret) return std::nullopt;
  for (; at_ + kShortestSecret <= text_.size(); ++at_) {
    if (!kDispatch.is_candidate(text_.data() + at_)) continue;
    // Shapes that need a word's start begin with a letter or digit, the others with neither.
    if (is_alnum(text_[at_]) && !word_starts()) continue;
    for (const std::uint8_t i : kDispatch.shapes(text_.data() + at_)) {
      if (auto match = match_here(compiled_shapes()[i])) return match;
    }
  }
  return std::nullopt;
}

bool SecretScan::word_starts() const {
  return at_ == last_end_ || !is_alnum(text_[at_ - 1]) || ends_in_escape(text_.substr(0, at_));
}

std::optional<SecretMatch> SecretScan::match_here(const Shape& shape) {
  if (shape.body == Body::jwt && at_ < no_jwt_before_) return std::nullopt;
  const auto range = fit(shape, text_, at_);
  if (!range) {
    if (shape.body == Body::jwt) no_jwt_before_ = jwt_header_end(text_, at_);
    return std::nullopt;
  }
  at_ = last_end_ = range->end;
  return SecretMatch{range->begin, range->end, shape.rule};
}

bool holds_secret(std::string_view text) { return SecretScan(text).next().has_value(); }

std::optional<std::string> redact(std::string_view text, std::span<std::uint32_t> hits) {
  auto redacted = redact_once(text, hits);
  for (int pass = 1; redacted && pass < kMostPasses; ++pass) {
    auto again = redact_once(*redacted, hits);
    if (!again) break;
    redacted = std::move(again);
  }
  return redacted;
}

std::optional<std::string> redact_member(bool named_secret, std::string_view text,
                                         std::span<std::uint32_t> hits) {
  if (!named_secret || text.size() < kShortestNamedSecret) return redact(text, hits);
  if (marker_length(text) == text.size()) return std::nullopt;
  ++hits[named_secret_rule()];
  return std::string(marker(named_secret_rule()));
}

}  // namespace sealstream
