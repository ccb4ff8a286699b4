#include "sealstream/core/json_text.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

namespace sealstream {
namespace {

constexpr bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

/// How many bytes at the beginning of `text` need no escape: eight at a time, as long as all eight need none.
std::size_t plain_length(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x8080808080808080;
  std::size_t length = 0;
  for (; length + sizeof(std::uint64_t) <= text.size(); length += sizeof(std::uint64_t)) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + length, sizeof(eight));
    const std::uint64_t quote = eight ^ kOnes * '"';
    const std::uint64_t backslash = eight ^ kOnes * '\\';
    const std::uint64_t found =
        ((eight - kOnes * 0x20) & ~eight) | ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash);
    if ((found & kTops) != 0) break;  // the lowest one is right; a borrow can mark one above it
  }
  while (length < text.size() && is_plain(text[length])) ++length;
  return length;
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
  }
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    tail(12), tail(6), tail(0);
  }
}

/// Reads one document by recursive descent and prints it as it goes. The document must be UTF-8. Every
/// function answers false where the document has no text form; the output is then of no use.
class Printer {
 public:
  explicit Printer(std::string_view document) : rest_(document) {}

  std::optional<std::string> print() {
    std::string out;
    if (!value(out)) return std::nullopt;
    skip_space();
    if (!rest_.empty()) return std::nullopt;
    return out;
  }

 private:
  bool value(std::string& out) {
    skip_space();
    if (rest_.empty()) return false;
    switch (rest_.front()) {
      case '{':
        return nested(out, &Printer::object);
      case '[':
        return nested(out, &Printer::array);
      case '"': {
        std::string text;
        if (!string(text)) return false;
        append_json_string(out, text);
        return true;
      }
      case 't':
        return word(out, "true");
      case 'f':
        return word(out, "false");
      case 'n':
        return word(out, "null");
      default:
        return number(out);
    }
  }

  bool nested(std::string& out, bool (Printer::*print)(std::string&)) {
    if (depth_ == kMaxJsonTextDepth) return false;
    rest_.remove_prefix(1);
    ++depth_;
    const bool printed = (this->*print)(out);
    --depth_;
    return printed;
  }

  bool object(std::string& out) {
    JsonObject members;
    if (!take('}')) {
      do {
        skip_space();
        std::string key;
        if (!string(key) || !take(':') || !value(members.add(key))) return false;
      } while (take(','));
      if (!take('}')) return false;
    }
    std::move(members).append_text(out);
    return true;
  }

  bool array(std::string& out) {
    out += '[';
    if (!take(']')) {
      if (!value(out)) return false;
      while (take(',')) {
        out += ", ";
        if (!value(out)) return false;
      }
      if (!take(']')) return false;
    }
    out += ']';
    return true;
  }

  /// Reads a string and gives what it says, without quotes and escapes.
  bool string(std::string& out) {
    if (!next_is('"')) return false;
    while (true) {
      const std::size_t plain = plain_length(rest_);
      out += rest_.substr(0, plain);
      rest_.remove_prefix(plain);
      if (next_is('"')) return true;
      if (!next_is('\\') || !escape(out)) return false;
    }
  }

  bool escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (next_is('u')) return unicode_escape(out);
    if (rest_.empty()) return false;
    const auto letter = kLetters.find(rest_.front());
    if (letter == std::string_view::npos) return false;
    out += kMeanings[letter];
    rest_.remove_prefix(1);
    return true;
  }

  bool unicode_escape(std::string& out) {
    auto unit = hex4();
    if (!unit || *unit == 0) return false;
    std::uint32_t point = *unit;
    if (point >= 0xD800 && point < 0xE000) {
      if (point >= 0xDC00 || !next_is('\\') || !next_is('u')) return false;
      unit = hex4();
      if (!unit || *unit < 0xDC00 || *unit >= 0xE000) return false;
      point = 0x10000 + ((point - 0xD800) << 10) + (*unit - 0xDC00);
    }
    append_utf8(out, point);
    return true;
  }

  std::optional<std::uint32_t> hex4() {
    if (rest_.size() < 4) return std::nullopt;
    std::uint32_t unit = 0;
    for (const char c : rest_.substr(0, 4)) {
      const char lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9') {
        unit = unit * 16 + static_cast<std::uint32_t>(c - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        unit = unit * 16 + static_cast<std::uint32_t>(lower - 'a' + 10);
      } else {
        return std::nullopt;
      }
    }
    rest_.remove_prefix(4);
    return unit;
  }

  bool number(std::string& out) {
    const auto end = std::min(rest_.find_first_not_of("+-.0123456789Ee"), rest_.size());
    const std::string_view token = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return append_json_number(out, token);
  }

  bool word(std::string& out, std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    out += word;
    return true;
  }

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size())); }

  bool next_is(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool take(char c) {
    skip_space();
    return next_is(c);
  }

  std::string_view rest_;
  int depth_ = 0;
};

}  // namespace

void append_json_string(std::string& out, std::string_view utf8) {
  out += '"';
  for (;;) {
    const std::size_t plain = plain_length(utf8);
    out += utf8.substr(0, plain);
    if (plain == utf8.size()) break;
    append_escaped(out, utf8[plain]);
    utf8.remove_prefix(plain + 1);
  }
  out += '"';
}

std::string& JsonObject::add(std::string_view key) {
  constexpr std::size_t kUsualMembers = 8;
  if (members_.empty()) members_.reserve(kUsualMembers);
  close_last();
  members_.push_back({bytes_.size(), key.size()});
  return bytes_ += key;
}

void JsonObject::close_last() {
  if (!members_.empty()) members_.back().end = bytes_.size();
}

std::string_view JsonObject::key(const Member& member) const {
  return std::string_view(bytes_).substr(member.begin, member.key_size);
}

std::string_view JsonObject::value(const Member& member) const {
  return std::string_view(bytes_).substr(member.begin + member.key_size,
                                         member.end - member.begin - member.key_size);
}

void JsonObject::append_text(std::string& out) && {
  close_last();
  // Of equal keys the one that was set last, which lies last in the buffer, comes last.
  std::sort(members_.begin(), members_.end(), [this](const Member& a, const Member& b) {
    if (a.key_size != b.key_size) return a.key_size < b.key_size;
    const int order = key(a).compare(key(b));
    return order != 0 ? order < 0 : a.begin < b.begin;
  });
  out += '{';
  const char* separator = "";
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (i + 1 < members_.size() && key(members_[i]) == key(members_[i + 1])) continue;
    out += separator;
    append_json_string(out, key(members_[i]));
    out.append(": ").append(value(members_[i]));
    separator = ", ";
  }
  out += '}';
}

std::string JsonObject::text() && {
  std::string out;
  out.reserve(bytes_.size() + 6 * members_.size() + 2);  // quotes, ": " and ", "
  std::move(*this).append_text(out);
  return out;
}

std::optional<std::string> json_text(std::string_view document) {
  if (!simdjson::validate_utf8(document.data(), document.size())) return std::nullopt;
  return Printer(document).print();
}

}  // namespace sealstream
