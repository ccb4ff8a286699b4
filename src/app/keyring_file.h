// The keyring as a file: keys: [{id, from, key: 64 hex digits}], by rising `from`.
#pragma once

#include <string>

#include "sealstream/core/keyring.h"

namespace sealstream {

/// Reads the keyring. Throws ConfigError (file, line, entry, what is allowed; never a key) where the file
/// cannot be used, is open to anyone but its owner, or says something else than a keyring.
Keyring read_keyring(const std::string& file);

/// As read_keyring, of a text.
Keyring parse_keyring(const std::string& file, const std::string& yaml);

}  // namespace sealstream
