// The one table of what the configuration file may hold. Reading, checking, printing, the example file and
// the JSON Schema all come from it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sealstream {

enum class KeyType : std::uint8_t {
  text,
  file,        ///< the path of a file
  integer,     ///< from min to max
  auto_count,  ///< as integer, or "auto"
  boolean,
  choice,    ///< one of choices
  endpoint,  ///< address:port
  texts,     ///< a list of texts
  mapping,   ///< names to texts
};

struct ConfigKey {
  std::string_view path;  ///< sections and name, joined by dots; units stand last in the name
  KeyType type;
  std::string_view default_value;  ///< as YAML; of a required key an example
  bool required = false;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::array<std::string_view, 4> choices{};  ///< unused places are empty
  std::string_view help;                      ///< its effect, in a sentence or two
};

/// All keys; those of one section stand together.
std::span<const ConfigKey> config_keys();

/// The key of that path, or null.
const ConfigKey* find_key(std::string_view path);

/// What a key may hold, for error messages and the example: "1 to 65535", "one of: json, human".
std::string allowed_values(const ConfigKey& key);

/// The environment variable that overrides a key: SEALSTREAM__KAFKA__BROKERS for kafka.brokers.
std::string environment_name(std::string_view path);
inline constexpr std::string_view kEnvironmentPrefix = "SEALSTREAM__";

}  // namespace sealstream
