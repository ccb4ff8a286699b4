// The compiled secret rules. schemas/secret-rules.tsv shows them as regular expressions; a test compares the
// two line by line and on generated strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/core/secrets.h"

namespace sealstream {

/// One line of schemas/secret-rules.tsv.
struct SecretShape {
  std::string rule;
  bool word_start;      ///< matches only where a word starts: the text before it ends in no letter or digit
  std::string pattern;  ///< ECMAScript; "(?i)" in front: letters of any case. A group is what is replaced
};

/// All shapes in the order in which they are tried at one place of a text; the first that fits wins.
std::vector<SecretShape> secret_shapes();

/// A secret in a text: which bytes are replaced, and by which rule.
struct SecretMatch {
  std::size_t begin;
  std::size_t end;
  std::size_t rule;  ///< index in secret_rules()
};

/// Goes through one text from left to right.
class SecretScan {
 public:
  explicit SecretScan(std::string_view text) : text_(text) {}
  /// The next secret. All calls together take time linear in the text.
  std::optional<SecretMatch> next();
  /// The next place where a secret may begin. Where a part of the text begins behind no letter or digit and
  /// ends before a quote, no secret lies in it by itself unless one of these places does. Linear too, as long
  /// as each answer is followed by leave_out_to the end of the part that it lies in.
  std::optional<std::size_t> next_suspicion();
  /// Goes on at `place`, which lies behind the last answer.
  void leave_out_to(std::size_t place);

 private:
  std::span<const std::uint8_t> next_shapes();
  bool next_place();
  void read_block();
  bool word_starts() const;
  std::optional<SecretMatch> match_here(const struct Shape& shape);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t block_ = 0;      ///< where the block of places begins that is looked at
  std::size_t block_end_ = 0;  ///< ... and where the next one does
  std::uint32_t places_ = 0;   ///< where in the block a secret may begin: one bit a place
  std::uint32_t escapes_ = 0;  ///< which of the 16 bytes in front of block_end_ may begin an escape
  std::size_t last_end_ = 0;
  std::size_t no_jwt_before_ = 0;  ///< a JWT was looked for up to here in vain
};

/// Whether a member of this name holds a secret, whatever it looks like: password, client_secret, …
/// Letters of any case, '-' and '_' ignored.
bool names_secret(std::string_view member_name);

/// Texts shorter than this are not replaced for their member's name: "None", "null", "yes".
inline constexpr std::size_t kShortestNamedSecret = 5;

/// Index of the rules that need more than a text: by a member's name, and a key_hash that is no hash.
std::size_t named_secret_rule();
std::size_t raw_key_rule();

/// "[REDACTED:<rule>]"
std::string_view marker(std::size_t rule);

inline constexpr std::size_t kLongestMarker = 64;

/// The length of the marker that `text` begins with; 0 where it begins with none.
std::size_t marker_length(std::string_view text);

/// A string that may be a secret by its member's name or by its shape: what stands in its place, or nothing.
std::optional<std::string> redact_member(bool named_secret, std::string_view text,
                                         std::span<std::uint32_t> hits);

}  // namespace sealstream
