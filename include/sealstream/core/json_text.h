// The json text form: the bytes that are hashed for a json column, which are what PostgreSQL 15 prints for
// the stored jsonb. Grammar: schemas/chain-v1.md, "json". A differential test holds it against the server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sealstream {

inline constexpr std::size_t kMaxNumberCharacters = 64;
/// Larger exponents, of either sign, are refused even for zero.
inline constexpr std::int64_t kMaxExponent = 999'999'999;
/// Nesting that json_text() accepts.
inline constexpr int kMaxJsonTextDepth = 256;

/// Appends `utf8` as a json string: quoted, with PostgreSQL's escapes.
void append_json_string(std::string& out, std::string_view utf8);

/// Appends a number as PostgreSQL's numeric prints it, from its JSON token. False, and `out` unchanged, where
/// it is no JSON number or would take more than kMaxNumberCharacters. Exponents of any size are answered in
/// constant time.
[[nodiscard]] bool append_json_number(std::string& out, std::string_view token);

/// An object under construction whose members come out in jsonb's order: by length of the key, then by its
/// bytes; of equal keys the last one wins. Values are json texts already in the text form. Keys and values
/// lie in one buffer.
class JsonObject {
 public:
  void set(std::string_view key, std::string_view value) { add(key) += value; }
  /// A member with a string as its value.
  void set_string(std::string_view key, std::string_view utf8) { append_json_string(add(key), utf8); }
  /// Adds a member. Its value is what is appended to the result before the object is used again.
  std::string& add(std::string_view key);
  bool empty() const { return members_.empty(); }
  /// Appends the text form; the object may be used no further.
  void append_text(std::string& out) &&;
  /// The text form; the object may be used no further.
  std::string text() &&;

 private:
  struct Member {
    std::size_t begin;  ///< of the key
    std::size_t key_size;
    std::size_t end = 0;  ///< of the value; known once the object is used again
  };
  std::string_view key(const Member& member) const;
  std::string_view value(const Member& member) const;
  void close_last();

  std::vector<Member> members_;
  std::string bytes_;
};

/// The text form of any JSON document, or nothing where it is not JSON or holds what jsonb refuses (NUL, lone
/// surrogates, a number that is too long), or is nested deeper than kMaxJsonTextDepth. For tests and tools;
/// the decoder builds its objects member by member.
std::optional<std::string> json_text(std::string_view document);

/// `text` (in the grammar of a JSON number, exponent included) rounded half-even to 12 places and printed as
/// trim_scale(x)::text does; nothing where it is no such number, negative, or above 10^6 as it came. Never
/// through a binary double.
std::optional<std::string> money_text(std::string_view text);

}  // namespace sealstream
