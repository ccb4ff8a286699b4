#include "app/settings.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "app/endpoint.h"
#include "app/json_writer.h"
#include "app/suggest.h"

namespace sealstream {
namespace {

constexpr std::size_t kMaxFileBytes = 1'048'576;

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('.') + 1); }

bool is_section(std::string_view path) {
  for (const ConfigKey& key : config_keys()) {
    if (key.path.size() > path.size() && key.path.starts_with(path) && key.path[path.size()] == '.')
      return true;
  }
  return false;
}

/// The key that an unknown one was probably meant to be: one of a similar path, or of the same name
/// elsewhere.
std::string suggestion(const std::string& path) {
  std::vector<std::string_view> paths;
  std::vector<std::string_view> sections = {"kafka", "postgres", "ingest", "http", "log"};
  for (const ConfigKey& key : config_keys()) paths.push_back(key.path);
  paths.insert(paths.end(), sections.begin(), sections.end());
  if (std::string found = did_you_mean(path, paths); !found.empty()) return found;
  for (const ConfigKey& key : config_keys()) {
    if (last_part(key.path) == last_part(path)) return "; did you mean " + std::string(key.path) + "?";
  }
  return "";
}

const char* kind(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  return node.IsNull() ? "empty" : "a scalar";
}

/// Whether YAML can hold `text`: not where it has bytes that are no UTF-8, or Unicode's noncharacters. What
/// it cannot hold would be read as something else.
bool is_yaml_text(const std::string& text) {
  YAML::Emitter out;
  out << YAML::DoubleQuoted << text;
  return YAML::Load(out.c_str()).Scalar() == text;
}

bool is_yaml_text(const Setting& setting) {
  return is_yaml_text(setting.text) &&
         std::all_of(setting.items.begin(), setting.items.end(),
                     [](const std::string& item) { return is_yaml_text(item); }) &&
         std::all_of(setting.entries.begin(), setting.entries.end(), [](const auto& entry) {
           return is_yaml_text(entry.first) && is_yaml_text(entry.second);
         });
}

/// Reads one configuration. Findings are collected, so that a person sees all of them at once.
class Reader {
 public:
  Reader(const std::string& file, const Environment& environment) : file_(file), environment_(environment) {}

  Settings read(const std::string& yaml) {
    require_utf8(yaml);
    try {
      const YAML::Node root = YAML::Load(yaml);
      if (!root.IsNull()) read_section("", root);
    } catch (const YAML::Exception& error) {
      Origin place{file_, error.mark.line + 1, error.mark.column + 1, ""};
      // Behind a colon stands what was found there: a password that begins with '*' is an alias to YAML.
      throw ConfigError(place.text() + ": not YAML: " + error.msg.substr(0, error.msg.find(':')));
    }
    read_environment();
    fill_defaults();
    if (!findings_.empty()) throw ConfigError(findings_);
    return std::move(settings_);
  }

 private:
  /// YAML's reader would put U+FFFD for other bytes, and say nothing.
  void require_utf8(const std::string& yaml) const {
    std::istringstream lines(yaml);
    int number = 1;
    for (std::string line; std::getline(lines, line); ++number) {
      if (!is_utf8(line)) throw ConfigError(Origin{file_, number, 1, ""}.text() + ": the line is not UTF-8");
    }
  }

  Origin at(const YAML::Node& node) const {
    return Origin{file_, node.Mark().line + 1, node.Mark().column + 1, ""};
  }

  void complain(const Origin& where, std::string_view path, const std::string& sentence) {
    findings_.push_back(where.text() + ": " + std::string(path) + ": " + sentence);
  }

  void read_section(const std::string& section, const YAML::Node& node) {
    if (!node.IsMap()) {
      complain(at(node), section.empty() ? "the file" : section,
               std::string("must be a mapping, but is ") + kind(node));
      return;
    }
    std::set<std::string> seen;
    for (const auto& pair : node) {
      const std::string path = (section.empty() ? "" : section + ".") + pair.first.Scalar();
      const Origin where = at(pair.first);
      if (!seen.insert(path).second) {
        complain(where, path, "given twice");
      } else if (const ConfigKey* key = find_key(path)) {
        if (pair.second.IsNull()) continue;
        given_.insert(key->path);
        read_value(*key, pair.second, where);
      } else if (is_section(path)) {
        if (!pair.second.IsNull()) read_section(path, pair.second);
      } else {
        complain(where, path, "unknown key" + suggestion(path));
      }
    }
  }

  void read_environment() {
    for (const auto& [name, value] : environment_) {
      if (!name.starts_with(kEnvironmentPrefix)) continue;
      const Origin where{"", 0, 0, name};
      const ConfigKey* key = key_of_variable(name);
      if (key == nullptr) continue;
      given_.insert(key->path);
      if (!is_utf8(value)) {
        complain(where, key->path, "is not UTF-8");
        continue;
      }
      const bool structured =
          key->type == KeyType::mapping || (key->type == KeyType::texts && value.starts_with("["));
      try {
        if (structured) {
          read_value(*key, YAML::Load(value), where);
        } else if (key->type == KeyType::texts) {
          read_value(*key, split(value), where);
        } else {
          read_value(*key, YAML::Node(value), where);
        }
      } catch (const YAML::Exception&) {
        complain(where, key->path, "not YAML; allowed: " + allowed_values(*key));
      }
    }
  }

  const ConfigKey* key_of_variable(const std::string& name) {
    std::vector<std::string> names;
    for (const ConfigKey& key : config_keys()) {
      names.push_back(environment_name(key.path));
      if (names.back() == name) return &key;
    }
    const std::vector<std::string_view> views(names.begin(), names.end());
    findings_.push_back("environment " + name + ": no such key" + did_you_mean(name, views));
    return nullptr;
  }

  static YAML::Node split(const std::string& list) {
    YAML::Node items(YAML::NodeType::Sequence);
    std::istringstream parts(list);
    for (std::string item; std::getline(parts, item, ',');) items.push_back(item);
    return items;
  }

  /// A required key that was given but is wrong has its finding already.
  void fill_defaults() {
    Settings defaults = default_settings();
    for (const ConfigKey& key : config_keys()) {
      if (settings_.contains(key.path)) continue;
      if (key.required && !given_.contains(key.path)) {
        complain(Origin{file_, 0, 0, ""}, key.path,
                 "is required: " + std::string(key.help) + " Give it in the file or as " +
                     environment_name(key.path));
      } else {
        Setting setting = defaults[key.path];
        settings_.emplace(key.path, std::move(setting));
      }
    }
  }

  void read_value(const ConfigKey& key, const YAML::Node& node, const Origin& where) {
    Setting setting;
    setting.origin = where;
    const bool fits = key.type == KeyType::texts     ? read_items(node, setting)
                      : key.type == KeyType::mapping ? read_entries(key, node, setting)
                                                     : read_scalar(key, node, setting);
    if (fits && !is_yaml_text(setting)) {
      complain(where, key.path, "holds a character that is none (such as U+FFFE)");
      return;
    }
    if (fits) {
      settings_.insert_or_assign(key.path, std::move(setting));
      return;
    }
    const bool show = node.IsScalar() && node.Scalar().size() <= 64;
    complain(
        where, key.path,
        (show ? "\"" + node.Scalar() + "\" is not allowed" : std::string(kind(node)) + " is not allowed") +
            "; allowed: " + allowed_values(key));
  }

  static bool read_items(const YAML::Node& node, Setting& setting) {
    if (!node.IsSequence()) return false;
    for (const auto& item : node) {
      if (!item.IsScalar() || item.Scalar().empty()) return false;
      setting.items.push_back(item.Scalar());
    }
    return !setting.items.empty();
  }

  bool read_entries(const ConfigKey& key, const YAML::Node& node, Setting& setting) {
    if (!node.IsMap()) return false;
    for (const auto& pair : node) {
      const std::string name = pair.first.Scalar();
      if (!pair.second.IsScalar()) {
        complain(at(pair.second), std::string(key.path) + "." + name, "must be a text");
      } else if (!setting.entries.emplace(name, pair.second.Scalar()).second) {
        complain(at(pair.first), std::string(key.path) + "." + name, "given twice");
      }
    }
    return true;
  }

  bool read_scalar(const ConfigKey& key, const YAML::Node& node, Setting& setting) const {
    if (!node.IsScalar()) return false;
    setting.text = node.Scalar();
    if (setting.text.find('\0') != std::string::npos) return false;
    switch (key.type) {
      case KeyType::integer:
        return in_range(key, setting.text);
      case KeyType::auto_count:
        return setting.text == "auto" || in_range(key, setting.text);
      case KeyType::boolean:
        return setting.text == "true" || setting.text == "false";
      case KeyType::choice:
        return is_choice(key, setting.text);
      case KeyType::endpoint:
        return parse_endpoint(setting.text).has_value();
      case KeyType::file:
        setting.text = from_folder_of(file_, setting.text);
        break;
      default:
        break;
    }
    return !setting.text.empty() || key.default_value.empty();
  }

  static bool in_range(const ConfigKey& key, const std::string& text) {
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    return error == std::errc{} && stop == end && number >= key.min && number <= key.max;
  }

  static bool is_choice(const ConfigKey& key, const std::string& text) {
    for (std::string_view choice : key.choices) {
      if (!choice.empty() && choice == text) return true;
    }
    return false;
  }

  static std::string from_folder_of(const std::string& file, const std::string& path) {
    if (path.empty()) return path;
    return (std::filesystem::absolute(file).parent_path() / path).string();
  }

  const std::string& file_;
  const Environment& environment_;
  Settings settings_;
  std::set<std::string_view> given_;
  std::vector<std::string> findings_;
};

}  // namespace

Settings read_settings(const std::string& file, const std::string& yaml, const Environment& environment) {
  return Reader(file, environment).read(yaml);
}

Settings default_settings() {
  Settings settings;
  for (const ConfigKey& key : config_keys()) {
    Setting setting;
    if (key.type == KeyType::texts) {
      for (const auto& item : YAML::Load(std::string(key.default_value)))
        setting.items.push_back(item.Scalar());
    } else if (key.type != KeyType::mapping) {
      setting.text = key.default_value;
    }
    settings.emplace(key.path, std::move(setting));
  }
  return settings;
}

std::string read_config_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw ConfigError(file + ": cannot be read: " + std::strerror(errno));
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) throw ConfigError(file + ": cannot be read: it is no file");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxFileBytes) throw ConfigError(file + ": is larger than 1 MiB");
  return text;
}

}  // namespace sealstream
