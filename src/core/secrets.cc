// The scan: one pass over a text, 16 bytes at a time, which stops only where a word or a mark begins, and
// there only at pairs of bytes that some shape begins with.
#include "sealstream/core/secrets.h"

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <cassert>
#include <cstring>
#include <map>
#include <vector>

#include "core/secret_rules.h"
#include "core/secret_shapes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace sealstream {
namespace {

/// No shape is shorter: "://:p@".
constexpr std::size_t kShortestSecret = 6;
/// No escape is longer that ends_in_escape knows: a colour of a terminal.
constexpr int kLongestEscape = 8;
/// What the shapes begin with that need no word's start.
constexpr std::string_view kMarks = ":?&#-";

constexpr std::size_t kBlock = 16;

char large_letter(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; }

/// The first three bytes of every text that begins with `name` (as in secret_names(): letters of any case,
/// '-' may be '_' or missing), behind `beginning`.
void add_beginnings(std::vector<std::string>& out, const std::string& beginning, std::string_view name) {
  constexpr std::size_t kBytes = 3;
  if (beginning.size() == kBytes) {
    out.push_back(beginning);
    return;
  }
  assert(!name.empty());
  const std::string_view rest = name.substr(1);
  if (name[0] == '-') add_beginnings(out, beginning, rest);
  for (const char c : {name[0], name[0] == '-' ? '_' : large_letter(name[0])}) {
    add_beginnings(out, beginning + c, rest);
  }
}

/// The first three bytes of every text that a shape may fit.
std::vector<std::string> beginnings(const Shape& shape) {
  std::vector<std::string> out;
  if (shape.body == Body::named_secret) {
    for (const std::string_view name : secret_names()) add_beginnings(out, "", name);
  } else if (shape.body == Body::url_key) {
    for (const std::string_view name : query_names()) add_beginnings(out, std::string(shape.begins), name);
  } else if (is_any_case(shape.body)) {
    add_beginnings(out, "", shape.begins);
  } else {
    out.emplace_back(shape.begins.substr(0, 3));
  }
  return out;
}

/// Which shapes are tried at a place, by the three bytes that stand there.
class Dispatch {
 public:
  Dispatch() {
    std::map<std::size_t, Tried> by_pair;
    const auto shapes = compiled_shapes();
    assert(std::ranges::all_of(shapes, [](const Shape& shape) {
      return needs_word_start(shape.body) || kMarks.find(shape.begins[0]) != kMarks.npos;
    }));
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      for (const std::string& bytes : beginnings(shapes[i])) {
        Tried& tried = by_pair[pair(bytes.data())];
        tried.third.set(static_cast<unsigned char>(bytes[2]));
        if (tried.shapes.empty() || tried.shapes.back() != i) {
          tried.shapes.push_back(static_cast<std::uint8_t>(i));
        }
      }
    }
    tried_.emplace_back();
    for (auto& [pair, tried] : by_pair) {
      auto known = std::ranges::find(tried_, tried);
      if (known == tried_.end()) known = tried_.insert(known, std::move(tried));
      of_pair_[pair] = static_cast<std::uint8_t>(known - tried_.begin());
    }
    assert(tried_.size() <= UINT8_MAX);
  }

  /// Empty at most places. Precondition: three bytes stand at `at`.
  std::span<const std::uint8_t> shapes(const char* at) const {
    const std::uint8_t index = of_pair_[pair(at)];
    if (index == 0 || !tried_[index].third.test(static_cast<unsigned char>(at[2]))) return {};
    return tried_[index].shapes;
  }

 private:
  struct Tried {
    std::vector<std::uint8_t> shapes;  ///< in the order of the table
    std::bitset<256> third;
    friend bool operator==(const Tried&, const Tried&) = default;
  };

  static std::size_t pair(const char* at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(at[0])) << 8 |
           static_cast<unsigned char>(at[1]);
  }

  std::vector<Tried> tried_;  ///< the first one is empty
  std::array<std::uint8_t, 65536> of_pair_{};
};

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdefABCDEF") == text.npos; }

/// What the bytes of a block are, one bit a byte.
struct BlockBytes {
  std::uint32_t alnum;    ///< a letter or digit
  std::uint32_t marks;    ///< one of kMarks
  std::uint32_t escapes;  ///< '\\', '%' or ESC, which begin what ends_in_escape knows
};

#ifdef __SSE2__
BlockBytes look_at(const char* block) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block));
  const auto is = [bytes](char c) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); };
  const auto in_range = [](__m128i value, char first, char last) {
    const __m128i offset = _mm_sub_epi8(value, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(static_cast<char>(last - first))), offset);
  };
  const auto either = [](__m128i a, __m128i b) { return _mm_or_si128(a, b); };
  const auto bits = [](__m128i found) { return static_cast<std::uint32_t>(_mm_movemask_epi8(found)); };
  const __m128i small = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
  return {bits(either(in_range(small, 'a', 'z'), in_range(bytes, '0', '9'))),
          bits(either(either(is(':'), is('?')), either(either(is('&'), is('#')), is('-')))),
          bits(either(either(is('\\'), is('%')), is('\x1b')))};
}
#else
BlockBytes look_at(const char* block) {
  constexpr std::string_view kEscapes = "\\%\x1b";
  BlockBytes found{};
  for (std::size_t i = 0; i < kBlock; ++i) {
    const std::uint32_t bit = std::uint32_t{1} << i;
    if (is_alnum(block[i])) found.alnum |= bit;
    if (kMarks.find(block[i]) != kMarks.npos) found.marks |= bit;
    if (kEscapes.find(block[i]) != kEscapes.npos) found.escapes |= bit;
  }
  return found;
}
#endif

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
  for (auto shapes = next_shapes(); !shapes.empty(); shapes = next_shapes()) {
    for (const std::uint8_t i : shapes) {
      if (auto match = match_here(compiled_shapes()[i])) return match;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> SecretScan::next_suspicion() {
  // These two look far ahead, or are looked for in vain again and again.
  const auto is_far = [](const Shape& shape) {
    return shape.body == Body::jwt || shape.body == Body::private_key;
  };
  for (auto shapes = next_shapes(); !shapes.empty(); shapes = next_shapes()) {
    for (const std::uint8_t i : shapes) {
      const Shape& shape = compiled_shapes()[i];
      if (is_far(shape) || fit(shape, text_, at_)) return at_;
    }
  }
  return std::nullopt;
}

/// Behind a secret, and where a part is left out, a word starts whatever stands in front.
void SecretScan::leave_out_to(std::size_t place) {
  block_end_ = last_end_ = place;
  places_ = 0;
  escapes_ = 0xFFFF;
}

/// Moves on to the next place where the bytes are those that some shape begins with; these shapes.
std::span<const std::uint8_t> SecretScan::next_shapes() {
  static const Dispatch kDispatch;
  while (next_place()) {
    const auto shapes = kDispatch.shapes(text_.data() + at_);
    if (shapes.empty()) continue;
    // Shapes that need a word's start begin with a letter or digit, the others with neither.
    if (!is_alnum(text_[at_]) || word_starts()) return shapes;
  }
  return {};
}

/// Moves on to the next place where a secret may begin: at most those are left out that no shape fits.
bool SecretScan::next_place() {
  while (places_ == 0) {
    if (block_end_ + kShortestSecret > text_.size()) return false;
    read_block();
  }
  at_ = block_ + static_cast<std::size_t>(std::countr_zero(places_));
  places_ &= places_ - 1;
  return true;
}

void SecretScan::read_block() {
  block_ = block_end_;
  block_end_ += kBlock;
  std::array<char, kBlock> tail{};
  const char* bytes = text_.data() + block_;
  if (block_end_ > text_.size()) {
    std::memcpy(tail.data(), bytes, text_.size() - block_);
    bytes = tail.data();
  }
  const BlockBytes found = look_at(bytes);
  const std::uint32_t behind_alnum = found.alnum << 1 | (block_ > 0 && is_alnum(text_[block_ - 1]) ? 1 : 0);
  places_ = (found.alnum & ~behind_alnum) | found.marks;
  const std::uint32_t escapes = escapes_ | found.escapes << kBlock;
  for (int distance = 1; escapes != 0 && distance <= kLongestEscape; ++distance) {
    places_ |= (escapes << distance >> kBlock) & found.alnum;
  }
  escapes_ = found.escapes;
  const std::size_t last = text_.size() - kShortestSecret;
  places_ &= last - block_ >= kBlock ? 0xFFFF : (2U << (last - block_)) - 1;
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
  leave_out_to(range->end);
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

std::string without_secrets(std::string_view text) {
  std::vector<std::uint32_t> uncounted(secret_rules().size());
  return redact(text, uncounted).value_or(std::string(text));
}

std::optional<std::string> redact_member(bool named_secret, std::string_view text,
                                         std::span<std::uint32_t> hits) {
  if (!named_secret || text.size() < kShortestNamedSecret) return redact(text, hits);
  if (marker_length(text) == text.size()) return std::nullopt;
  ++hits[named_secret_rule()];
  return std::string(marker(named_secret_rule()));
}

}  // namespace sealstream
