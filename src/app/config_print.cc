#include "app/config_print.h"

#include <yaml-cpp/yaml.h>

#include <functional>

#include "app/json_writer.h"
#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

constexpr std::string_view kMask = "***";

std::vector<std::string_view> parts(std::string_view path) {
  std::vector<std::string_view> out;
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
    out.push_back(path.substr(0, dot));
    path.remove_prefix(dot + 1);
  }
  out.push_back(path);
  return out;
}

/// A setting as it may be shown: whatever was written where a name or a path belongs.
Setting shown(Setting setting) {
  setting.text = without_secrets(setting.text);
  for (std::string& item : setting.items) item = without_secrets(item);
  std::map<std::string, std::string> entries;
  for (const auto& [name, value] : setting.entries)
    entries.emplace(without_secrets(name), without_secrets(value));
  setting.entries = std::move(entries);
  return setting;
}

/// Calls `open` and `close` as sections begin and end, and `each` for the keys between them, in their order.
void walk_keys(
    const std::function<void(std::string_view section, std::size_t depth)>& open,
    const std::function<void(std::size_t depth)>& close,
    const std::function<void(const ConfigKey& key, std::string_view name, std::size_t depth)>& each) {
  std::vector<std::string_view> inside;
  for (const ConfigKey& key : config_keys()) {
    const std::vector<std::string_view> path = parts(key.path);
    std::size_t shared = 0;
    while (shared < inside.size() && shared + 1 < path.size() && inside[shared] == path[shared]) ++shared;
    for (; inside.size() > shared; inside.pop_back()) close(inside.size());
    for (; inside.size() + 1 < path.size(); inside.push_back(path[inside.size()])) {
      open(path[inside.size()], inside.size());
    }
    each(key, path.back(), inside.size());
  }
  for (; !inside.empty(); inside.pop_back()) close(inside.size());
}

std::string yaml_value(const ConfigKey& key, const Setting& setting) {
  YAML::Emitter out;
  out.SetMapFormat(YAML::Flow);
  out.SetSeqFormat(YAML::Flow);
  switch (key.type) {
    case KeyType::texts:
      out << setting.items;
      break;
    case KeyType::mapping:
      out << setting.entries;
      break;
    case KeyType::text:
    case KeyType::file:
      out << YAML::DoubleQuoted << setting.text;
      break;
    default:
      out << setting.text;
  }
  return out.c_str();
}

/// `text` in lines of at most `width` characters, each after `indent` and "# ".
std::string comment(std::string_view text, const std::string& indent, std::size_t width = 110) {
  std::string out;
  const std::size_t room = width - indent.size() - 2;
  while (!text.empty()) {
    std::size_t length = std::min(room, text.size());
    if (length < text.size() && text.rfind(' ', length) != std::string_view::npos)
      length = text.rfind(' ', length);
    out += indent + "# " + std::string(text.substr(0, length)) + "\n";
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

/// The comment lines for the secrets that a key leads to.
std::string masked_lines(const ConfigKey& key, const Setting& setting, const std::string& indent) {
  std::string out;
  if (key.path.ends_with(".password_file") && !setting.text.empty()) {
    out += indent + "# password: \"" + std::string(kMask) + "\"\n";
  }
  if (key.path == "kafka.property_files") {
    for (const auto& [name, file] : setting.entries) {
      out.append(indent).append("# ").append(name).append(": \"").append(kMask).append("\"\n");
    }
  }
  return out;
}

void write_json_value(JsonWriter& json, const ConfigKey& key, const Setting& setting) {
  switch (key.type) {
    case KeyType::texts:
      json.begin_array();
      for (const std::string& item : setting.items) json.value(item);
      json.end_array();
      return;
    case KeyType::mapping:
      json.begin_object();
      for (const auto& [name, value] : setting.entries) json.member(name, value);
      json.end_object();
      return;
    case KeyType::integer:
    case KeyType::boolean:
      json.raw(setting.text);
      return;
    case KeyType::auto_count:
      if (setting.text == "auto") break;
      json.raw(setting.text);
      return;
    default:
      break;
  }
  json.value(setting.text);
}

void write_schema(JsonWriter& json, const ConfigKey& key, const Setting& by_default) {
  json.begin_object();
  json.member("description",
              std::string(key.help) + (key.required ? " Required, here or in the environment." : ""));
  const auto range = [&] { json.member("minimum", key.min).member("maximum", key.max); };
  switch (key.type) {
    case KeyType::integer:
      json.member("type", "integer");
      range();
      break;
    case KeyType::auto_count:
      json.key("oneOf").begin_array().begin_object().member("const", "auto").end_object().begin_object();
      json.member("type", "integer");
      range();
      json.end_object().end_array();
      break;
    case KeyType::boolean:
      json.member("type", "boolean");
      break;
    case KeyType::texts:
      json.member("type", "array").member("minItems", 1);
      json.key("items").begin_object().member("type", "string").member("minLength", 1).end_object();
      break;
    case KeyType::mapping:
      json.member("type", "object");
      json.key("additionalProperties").begin_object().key("type").begin_array();
      json.value("string").value("number").value("boolean").end_array().end_object();
      break;
    case KeyType::choice:
      json.key("enum").begin_array();
      for (std::string_view choice : key.choices) {
        if (!choice.empty()) json.value(choice);
      }
      json.end_array();
      break;
    default:
      json.member("type", "string");
      if (!key.default_value.empty()) json.member("minLength", 1);
  }
  json.key(key.required ? "examples" : "default");
  if (key.required) json.begin_array();
  write_json_value(json, key, by_default);
  if (key.required) json.end_array();
  json.end_object();
}

/// JSON text with two spaces a level, for files that people read.
std::string indented(const std::string& json) {
  std::string out;
  std::size_t depth = 0;
  bool in_string = false;
  const auto line = [&] { out += "\n" + std::string(2 * depth, ' '); };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      out += c;
      if (c == '\\') out += json[++i];
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    const bool opens = c == '{' || c == '[';
    const bool closes = c == '}' || c == ']';
    if (closes) --depth;
    if (closes && out.back() != '{' && out.back() != '[') line();
    out += c;
    if (opens) ++depth;
    if (c == ',' || (opens && json[i + 1] != '}' && json[i + 1] != ']')) line();
    if (c == ':') out += ' ';
  }
  return out + "\n";
}

}  // namespace

std::string effective_yaml(const Config& config) {
  std::string out;
  walk_keys([&](std::string_view section,
                std::size_t depth) { out += std::string(2 * depth, ' ') + std::string(section) + ":\n"; },
            [](std::size_t) {},
            [&](const ConfigKey& key, std::string_view name, std::size_t depth) {
              const Setting setting = shown(config.settings.at(key.path));
              const std::string indent(2 * depth, ' ');
              out += indent + std::string(name) + ": " + yaml_value(key, setting) + "  # " +
                     setting.origin.text() + "\n";
              out += masked_lines(key, setting, indent);
            });
  return out;
}

std::string effective_json(const Config& config) {
  JsonWriter json;
  json.begin_object();
  walk_keys([&](std::string_view section, std::size_t) { json.key(section).begin_object(); },
            [&](std::size_t) { json.end_object(); },
            [&](const ConfigKey& key, std::string_view name, std::size_t) {
              const Setting setting = shown(config.settings.at(key.path));
              json.key(name);
              write_json_value(json, key, setting);
              if (key.path.ends_with(".password_file") && !setting.text.empty())
                json.member("password", kMask);
              if (key.path == "kafka.property_files") {
                json.key("properties_from_files").begin_object();
                for (const auto& [property, file] : setting.entries) json.member(property, kMask);
                json.end_object();
              }
            });
  return indented(json.end_object().text());
}

std::string example_yaml() {
  const Settings defaults = default_settings();
  std::string out =
      "# Sealstream's configuration: every key with its default and its effect. Printed by\n"
      "# `sealstream print-config --example`. Keys that are not required may be left out. A relative path "
      "starts at\n"
      "# this file's folder. An environment variable overrides a key: SEALSTREAM__KAFKA__BROKERS for "
      "kafka.brokers;\n"
      "# lists with commas, mappings as YAML. Passwords and keys lie in files of mode 0600 and never here.\n";
  walk_keys(
      [&](std::string_view section, std::size_t depth) {
        out += "\n" + std::string(2 * depth, ' ') + std::string(section) + ":\n";
      },
      [](std::size_t) {},
      [&](const ConfigKey& key, std::string_view name, std::size_t depth) {
        const std::string indent(2 * depth, ' ');
        if (!out.ends_with(":\n")) out += "\n";
        out += comment(key.help, indent);
        out += comment(
            "Allowed: " + allowed_values(key) + (key.required ? ". Required; this is an example." : "."),
            indent);
        out += indent + std::string(name) + ": " + yaml_value(key, defaults.at(key.path)) + "\n";
      });
  return out;
}

std::string config_schema() {
  const Settings defaults = default_settings();
  JsonWriter json;
  json.begin_object();
  json.member("$schema", "https://json-schema.org/draft/2020-12/schema");
  json.member("title", "Configuration of sealstream");
  json.member("description",
              "Printed by `sealstream print-config --schema`. Every key is described in "
              "deploy/sealstream.example.yaml.");
  json.member("type", "object").member("additionalProperties", false);
  json.key("properties").begin_object();
  walk_keys(
      [&](std::string_view section, std::size_t) {
        json.key(section).begin_object().member("type", "object").member("additionalProperties", false);
        json.key("properties").begin_object();
      },
      [&](std::size_t) { json.end_object().end_object(); },
      [&](const ConfigKey& key, std::string_view name, std::size_t) {
        json.key(name);
        write_schema(json, key, defaults.at(key.path));
      });
  return indented(json.end_object().end_object().text());
}

}  // namespace sealstream
