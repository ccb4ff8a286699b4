// Escapes in the strings of JSON (RFC 8259, section 7).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sealstream {

/// Appends the character that the escape at the beginning of `text` stands for (from its backslash on; of a
/// surrogate pair both escapes), as UTF-8. Returns the bytes that were read; 0, and `out` unchanged, where
/// `text` begins with no escape, or with U+0000 or half a surrogate pair.
std::size_t append_unescaped(std::string& out, std::string_view text);

}  // namespace sealstream
