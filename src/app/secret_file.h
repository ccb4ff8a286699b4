// Files that hold a secret: a password, or the keyring.
#pragma once

#include <string>

namespace sealstream {

/// The content of `file`, at most 1 MiB. Throws ConfigError where it cannot be read, is no regular file, is
/// empty, or where anyone but its owner may read or write it. The message names the file and `purpose`, never
/// its content.
std::string read_secret_file(const std::string& file, const std::string& purpose);

/// As read_secret_file, without the line's end: for files that hold one value.
std::string read_secret_line(const std::string& file, const std::string& purpose);

}  // namespace sealstream
