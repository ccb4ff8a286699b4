// JSON text, written member by member: what commands and endpoints answer with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sealstream {

/// `text` as a JSON string, quotes included. Bytes that are no valid UTF-8 become U+FFFD, control characters
/// are escaped: whatever comes in, the result is one line of valid JSON.
std::string json_string(std::string_view text);

/// The same without the quotes: whatever comes in, one line that is safe on a terminal.
std::string printable(std::string_view text);

/// Whether `bytes` are UTF-8 throughout.
bool is_utf8(std::string_view bytes);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

/// Writes one JSON value. Calls nest as the value does: begin_object, then key and value by turns,
/// end_object. Members come out in the order of the calls.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text) { return raw(json_string(text)); }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool truth) { return raw(truth ? "true" : "false"); }
  JsonWriter& value(std::int64_t number) { return raw(std::to_string(number)); }
  JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
  JsonWriter& value(std::size_t number) { return raw(std::to_string(number)); }
  JsonWriter& null() { return raw("null"); }
  /// A value that is JSON text already.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& member(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  const std::string& text() const { return text_; }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string text_;
  bool first_ = true;  ///< nothing stands before the next value in its object or array, or its key does
};

}  // namespace sealstream
