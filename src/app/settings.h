// The configuration as it was given: each key of the table with its value and where that came from. Checked
// key by key (known, type, range); what keys mean together is checked by config.h.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_error.h"
#include "app/config_keys.h"

namespace sealstream {

using Environment = std::map<std::string, std::string>;

/// A value of the type that its key has: `text` of the scalar types (a file's path is absolute), `items` of
/// texts, `entries` of a mapping.
struct Setting {
  std::string text;
  std::vector<std::string> items;
  std::map<std::string, std::string> entries;
  Origin origin;
};

/// One setting for every key of the table.
using Settings = std::map<std::string_view, Setting>;

/// Reads `yaml` (named `file` in messages and as the folder that relative paths start from), then what the
/// environment overrides, then the defaults. Throws ConfigError with everything that is wrong.
Settings read_settings(const std::string& file, const std::string& yaml, const Environment& environment);

/// The defaults alone; required keys hold their examples.
Settings default_settings();

/// The bytes of a file of at most 1 MiB. Throws ConfigError.
std::string read_config_file(const std::string& file);

}  // namespace sealstream
