#include "app/keyring_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "app/config_error.h"
#include "app/moment.h"
#include "app/secret_file.h"
#include "app/suggest.h"
#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

constexpr std::string_view kMembers[] = {"id", "from", "key"};

[[noreturn]] void refuse(const std::string& file, const YAML::Mark& mark, const std::string& sentence) {
  throw ConfigError(Origin{file, mark.line + 1, mark.column + 1, ""}.text() + ": " + sentence);
}

std::optional<PersonalKey> parse_key(std::string_view hex) {
  PersonalKey key{};
  if (hex.size() != 2 * key.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char* pair = hex.data() + 2 * i;
    const auto [stop, error] = std::from_chars(pair, pair + 2, key[i], 16);
    if (error != std::errc{} || stop != pair + 2) return std::nullopt;
  }
  return key;
}

bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 && !holds_secret(id) && std::ranges::all_of(id, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
  });
}

void check_members(const std::string& file, const YAML::Node& entry) {
  std::set<std::string> seen;
  for (const auto& pair : entry) {
    const std::string name = pair.first.Scalar();
    if (std::ranges::find(kMembers, name) == std::end(kMembers)) {
      refuse(file, pair.first.Mark(), "an entry holds id, from and key only" + did_you_mean(name, kMembers));
    }
    if (!seen.insert(name).second) refuse(file, pair.first.Mark(), name + " is given twice");
    if (!pair.second.IsScalar()) refuse(file, pair.second.Mark(), name + " must be a text");
  }
  for (std::string_view name : kMembers) {
    if (!seen.contains(std::string(name))) refuse(file, entry.Mark(), std::string(name) + " is missing");
  }
}

KeyEntry read_entry(const std::string& file, const YAML::Node& entry) {
  if (!entry.IsMap()) refuse(file, entry.Mark(), "an entry must be {id, from, key}");
  check_members(file, entry);
  const YAML::Node id = entry["id"], from = entry["from"], key = entry["key"];
  if (!is_id(id.Scalar())) refuse(file, id.Mark(), "id: allowed: 1 to 64 of [A-Za-z0-9._-]");
  const auto moment = parse_moment(from.Scalar());
  if (!moment) refuse(file, from.Mark(), "from: allowed: a moment in UTC, for example 2026-10-01T00:00:00Z");
  const auto bytes = parse_key(key.Scalar());
  if (!bytes) refuse(file, key.Mark(), "key: allowed: 64 hex digits (openssl rand -hex 32)");
  return KeyEntry{id.Scalar(), *moment, *bytes};
}

}  // namespace

Keyring parse_keyring(const std::string& file, const std::string& yaml) {
  try {
    const YAML::Node root = YAML::Load(yaml);
    if (!root.IsMap() || !root["keys"] || root.size() != 1) {
      refuse(file, root.Mark(), "a keyring is: keys: [{id, from, key}]");
    }
    const YAML::Node keys = root["keys"];
    if (!keys.IsSequence() || keys.size() == 0) refuse(file, keys.Mark(), "keys must be a list, not empty");
    std::vector<KeyEntry> entries;
    for (const auto& entry : keys) entries.push_back(read_entry(file, entry));
    return Keyring(std::move(entries));
  } catch (const YAML::Exception& error) {
    refuse(file, error.mark, "not YAML");
  } catch (const std::invalid_argument& error) {
    throw ConfigError(file + ": " + error.what());
  }
}

Keyring read_keyring(const std::string& file) {
  return parse_keyring(file, read_secret_file(file, "the keyring"));
}

}  // namespace sealstream
