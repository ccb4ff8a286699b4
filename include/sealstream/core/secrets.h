// Raw secrets in strings: found by shape, replaced by a marker before anything is hashed or stored.
// The rules lie as a table in schemas/secret-rules.tsv; a test compares it with the compiled ones.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/core/record.h"

namespace sealstream {

struct SecretRule {
  std::string_view name;  ///< stands in the marker: [REDACTED:<name>]
};

/// All rules, in the order of the table.
std::span<const SecretRule> secret_rules();

/// Whether `text` holds a secret. One pass, linear in its length.
bool holds_secret(std::string_view text);

/// `text` with every secret replaced by its marker, or nothing where there is none (the usual case, which
/// allocates nothing). `hits`, one counter a rule, is added to. Deterministic; redacting a result again
/// changes nothing.
std::optional<std::string> redact(std::string_view text, std::span<std::uint32_t> hits);

/// `text` as it may be shown: with every secret replaced by its marker.
std::string without_secrets(std::string_view text);

/// A refused record as it may be kept: key, value and headers with every secret redacted.
struct KeptRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;  ///< at most the first kMaxKeptValueBytes, cut after the redaction
  std::int64_t value_length = 0;     ///< bytes of the value as it came
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  bool redacted = false;  ///< something was replaced: the record cannot be released as it stands
};
inline constexpr std::size_t kMaxKeptValueBytes = std::size_t{1024} * 1024;

/// Redacts a refused record: leaf by leaf where its value parses as JSON, else the raw bytes with ASCII
/// \u00xx folded.
KeptRecord keep(const Record& record, std::span<std::uint32_t> hits);

}  // namespace sealstream
