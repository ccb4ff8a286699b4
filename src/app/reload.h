// What a running process takes from a configuration that is read again (SIGHUP).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "app/settings.h"

namespace sealstream {

/// In force at once. Certificates and passwords of PostgreSQL need not be listed: their files are read for
/// every connection. Everything else takes a restart.
inline constexpr std::array<std::string_view, 4> kReloaded = {
    "log.level", "ingest.batch_rows", "ingest.batch_rows_backlog", "ingest.batch_bytes"};

/// The keys whose values differ and that take a restart, by name.
std::vector<std::string> waiting_for_restart(const Settings& running, const Settings& fresh);

}  // namespace sealstream
