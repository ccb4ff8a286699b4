// The migrations of the schema, as a list: from the binary, or from a directory of files.
#pragma once

#include <string>
#include <vector>

#include "sealstream/core/blake2b.h"

namespace sealstream {

/// NNNN_title.up.sql and .down.sql.
struct Migration {
  int version = 0;   ///< from 1, without gaps
  std::string name;  ///< NNNN_title
  std::string up;
  std::string down;
};

/// Those that the binary was built with.
std::vector<Migration> embedded_migrations();

/// Those that lie in `directory`; other files there are ignored. Throws std::runtime_error with a sentence
/// where one cannot be read, lacks its other half, or a version is missing or doubled.
std::vector<Migration> read_migrations(const std::string& directory);

/// The version of the schema that this binary works with: that of its newest migration.
int known_schema_version();

/// What is remembered of an applied migration: BLAKE2b-512 of its up file.
Checksum checksum_of(const Migration& migration);

}  // namespace sealstream
