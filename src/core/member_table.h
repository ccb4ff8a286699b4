// What publishers may send in `data`: the table of design "Families", one line a member. What is not in it is
// kept as unknown in personal_detail.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "sealstream/core/columns.h"
#include "sealstream/core/event.h"

namespace sealstream {

/// What a member's value must be, and what becomes of it.
enum class MemberKind : std::uint8_t {
  text,             ///< string of at most `bound` bytes
  cut_text,         ///< string, cut to `bound` bytes
  choice,           ///< one of `names`
  integer,          ///< 0..2^53-1, also as a decimal string
  signed_integer,   ///< -2^31..2^31-1, also as a decimal string
  money,            ///< decimal number or string, at most 10^6
  boolean,          ///< true or false
  time,             ///< RFC 3339, kept as sent
  address,          ///< host address; what is none is kept as text in personal_detail
  path,             ///< string that loses its query, then at most `bound` bytes
  origin,           ///< URL that loses its path, then at most `bound` bytes
  key_hash,         ///< 64 small hex digits; anything else is a raw key and redacted
  text_or_integer,  ///< string of at most `bound` bytes, or an integer
  text_or_boolean,  ///< string of at most `bound` bytes, true or false
  texts,            ///< array of at most `bound` strings
  ranges,           ///< array of at most `bound` pairs [from, to] of integers
  record,           ///< object with the string members `names`
  records,          ///< array of at most `bound` such objects
  object,           ///< any object of at most `bound` bytes in the json text form
  any,              ///< any value of at most `bound` bytes in the json text form
};

/// Where a member's value is stored.
enum class Place : std::uint8_t { column, detail, personal_detail };

struct Member {
  std::string_view path;   ///< below data
  std::string_view names;  ///< of kind choice, record and records, with spaces in between
  std::uint32_t bound;
  Column column;          ///< where place is column
  std::uint8_t families;  ///< one bit a family
  MemberKind kind;
  Place place;
  bool required;
};

constexpr std::uint8_t bit(Family family) { return static_cast<std::uint8_t>(1 << static_cast<int>(family)); }

/// Strings inside arrays and records, and strings for which the contract names no bound.
inline constexpr std::uint32_t kDefaultBound = 256;
/// Items of arrays for which the contract names no bound.
inline constexpr std::uint32_t kDefaultItems = 1'000;

std::span<const Member> members();
inline constexpr std::size_t kMostMembers = 128;

/// The index in members() of the member at `path`. Precondition: there is one.
std::size_t member_index(std::string_view path);

/// Whether `names`, words with spaces in between, holds `word`.
bool is_one_of(std::string_view word, std::string_view names);

/// The members below one object of the wire, found by name.
class MemberLevel {
 public:
  struct Entry {
    std::string_view name;
    std::size_t member = 0;              ///< index in members(), where `below` is null
    std::unique_ptr<MemberLevel> below;  ///< the members of an object
  };

  /// The level of `data` of a family.
  static const MemberLevel& of(Family family);

  const Entry* find(std::string_view name) const;

 private:
  static std::size_t slot(std::string_view name);
  void add(std::string_view path, std::size_t member);
  Entry& insert(std::string_view name);

  static constexpr std::size_t kSlots = 128;  ///< a power of two, at least twice the entries
  std::array<Entry, kSlots> slots_{};
};

}  // namespace sealstream
