// The scan: one pass over a text, which stops only at pairs of bytes that some shape begins with.
#include "sealstream/core/secrets.h"

#include <algorithm>
#include <array>
#include <bitset>
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
    const auto shapes = compiled_shapes();
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      if (shapes[i].body == Body::named_secret) {
        for (const std::string_view name : secret_names()) add_name(name, i);
      } else if (shapes[i].body == Body::bearer || shapes[i].body == Body::basic ||
                 shapes[i].body == Body::basic_header) {
        add_any_case(shapes[i].begins[0], shapes[i].begins[1], i);
      } else if (shapes[i].begins.size() == 1) {
        for (int second = 0; second < 256; ++second) add(shapes[i].begins[0], static_cast<char>(second), i);
      } else {
        add(shapes[i].begins[0], shapes[i].begins[1], i);
      }
    }
  }

  bool is_candidate(const char* at) const { return pairs_.test(pair(at[0], at[1])); }
  std::span<const std::uint8_t> shapes(char first) const {
    return shapes_[static_cast<unsigned char>(first)];
  }

 private:
  static std::size_t pair(char first, char second) {
    return static_cast<std::size_t>(static_cast<unsigned char>(first)) << 8 |
           static_cast<unsigned char>(second);
  }
  void add(char first, char second, std::size_t shape) {
    pairs_.set(pair(first, second));
    auto& known = shapes_[static_cast<unsigned char>(first)];
    if (known.empty() || known.back() != shape) known.push_back(static_cast<std::uint8_t>(shape));
  }
  void add_any_case(char first, char second, std::size_t shape) {
    for (const char a : {first, large_letter(first)}) {
      for (const char b : {second, large_letter(second)}) add(a, b, shape);
    }
  }
  /// A '-' in the name may be missing or stand as '_'.
  void add_name(std::string_view name, std::size_t shape) {
    add_any_case(name[0], name[1], shape);
    if (name[1] != '-') return;
    add_any_case(name[0], '_', shape);
    add_any_case(name[0], name[2], shape);
  }

  std::bitset<65536> pairs_;
  std::array<std::vector<std::uint8_t>, 256> shapes_;
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
    const auto shapes = compiled_shapes();
    const bool word_start =
        at_ == last_end_ || !is_alnum(text_[at_ - 1]) || ends_in_escape(text_.substr(0, at_));
    for (const std::uint8_t i : kDispatch.shapes(text_[at_])) {
      const Shape& shape = shapes[i];
      if (needs_word_start(shape.body) && !word_start) continue;
      if (shape.body == Body::jwt && at_ < no_jwt_before_) continue;
      if (const auto range = fit(shape, text_, at_)) {
        at_ = last_end_ = range->end;
        return SecretMatch{range->begin, range->end, shape.rule};
      }
      if (shape.body == Body::jwt) no_jwt_before_ = jwt_header_end(text_, at_);
    }
  }
  return std::nullopt;
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
