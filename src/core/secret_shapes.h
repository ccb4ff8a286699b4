// How the compiled secret rules are written down, and how one of them fits at one place of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sealstream {

/// What follows a shape's literal beginning: a run of characters, or one of the shapes with a grammar of
/// their own (pattern() shows it).
enum class Body : std::uint8_t {
  word,   ///< [A-Za-z0-9_-]
  alnum,  ///< [A-Za-z0-9]
  upper,  ///< [A-Z0-9]
  hex,    ///< [0-9a-f]
  token,  ///< [A-Za-z0-9._~+/=-]
  jwt,
  private_key,
  bearer,
  basic,
  basic_header,
  url_credentials,
  url_key,
  named_secret,
};

struct Shape {
  std::size_t rule;
  std::string_view begins;  ///< of any case for bearer and basic_*
  Body body;
  std::size_t minimum;  ///< length of the run
};

/// A part of a text.
struct TextRange {
  std::size_t begin;
  std::size_t end;
};

std::span<const Shape> compiled_shapes();

/// Whether a shape's literal beginning stands for letters of any case.
bool is_any_case(Body body);

/// Whether a shape fits only where a word starts: not in the middle of "risk-assessment".
bool needs_word_start(Body body);

/// The shape as a regular expression.
std::string pattern(const Shape& shape);

/// What a shape replaces if it fits at `begin`; whether a word starts there is not its question.
std::optional<TextRange> fit(const Shape& shape, std::string_view text, std::size_t begin);

/// Where the run of characters ends that a JWT's first part consists of.
std::size_t jwt_header_end(std::string_view text, std::size_t begin);

/// Names of members that hold secrets, in small letters; '-' stands for '-', '_' or nothing.
std::span<const std::string_view> secret_names();

/// Names of members of a URL's query that hold secrets, in the same notation.
std::span<const std::string_view> query_names();

/// The length of `name` (one of secret_names()) at the beginning of `text`, letters of any case; 0 where it
/// does not stand there.
std::size_t name_length(std::string_view name, std::string_view text);

char small_letter(char c);

}  // namespace sealstream
