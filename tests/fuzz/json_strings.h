// The strings of a JSON document, read by simdjson alone.
#pragma once

#include <simdjson.h>

#include <functional>
#include <string_view>

namespace sealstream::fuzz {

inline void each_string(const simdjson::dom::element& element,
                        const std::function<void(std::string_view)>& take) {
  if (element.is_string()) take(std::string_view(element));
  if (element.is_array()) {
    for (const simdjson::dom::element item : simdjson::dom::array(element)) each_string(item, take);
  }
  if (!element.is_object()) return;
  for (const auto& [name, value] : simdjson::dom::object(element)) {
    take(name);
    each_string(value, take);
  }
}

}  // namespace sealstream::fuzz
