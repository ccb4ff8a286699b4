// The files of migrations/ as they were when the binary was built (embed_migrations.cmake writes them down).
#pragma once

#include <span>
#include <string_view>

namespace sealstream {

struct EmbeddedFile {
  std::string_view name;  ///< 0001_schema.up.sql
  std::string_view text;
};

/// By rising name.
std::span<const EmbeddedFile> embedded_migration_files();

}  // namespace sealstream
