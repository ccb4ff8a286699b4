// The strings of a JSON document, read by simdjson.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/core/json_text.h"

namespace sealstream::fuzz {

/// Not simdjson's numbers: one of JSON may be larger than those.
inline void read_number(simdjson::ondemand::value value) {
  const std::string_view token = value.raw_json_token();
  std::string text;
  if (!append_json_number(text, token.substr(0, token.find_last_not_of(" \t\r\n") + 1)))
    throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
}

/// Adds the strings and the member names in a value. Throws simdjson_error where it is no JSON.
inline void add_strings(simdjson::ondemand::value value, std::vector<std::string>& strings) {
  switch (value.type()) {
    case simdjson::ondemand::json_type::string:
      strings.emplace_back(std::string_view(value.get_string()));
      break;
    case simdjson::ondemand::json_type::array:
      for (simdjson::ondemand::value item : value.get_array()) add_strings(item, strings);
      break;
    case simdjson::ondemand::json_type::object:
      for (auto field : value.get_object()) {
        strings.emplace_back(std::string_view(field.unescaped_key()));
        add_strings(field.value(), strings);
      }
      break;
    case simdjson::ondemand::json_type::number:
      read_number(value);
      break;
    case simdjson::ondemand::json_type::boolean:
      (void)bool(value.get_bool());
      break;
    case simdjson::ondemand::json_type::null:
      if (!value.is_null()) throw simdjson::simdjson_error(simdjson::N_ATOM_ERROR);
      break;
  }
}

/// The strings and member names of a document; nullopt where it is no JSON, or has a number of more than
/// kMaxNumberCharacters.
inline std::optional<std::vector<std::string>> strings_of(std::string_view json) {
  simdjson::ondemand::parser parser;
  const simdjson::padded_string item = "[" + std::string(json) + "]";  // a scalar is read as a value too
  std::vector<std::string> strings;
  try {
    simdjson::ondemand::document document = parser.iterate(item);
    for (simdjson::ondemand::value value : document.get_array()) add_strings(value, strings);
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return std::nullopt;
  } catch (const simdjson::simdjson_error&) {
    return std::nullopt;
  }
  return strings;
}

}  // namespace sealstream::fuzz
