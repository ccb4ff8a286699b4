// What the admin endpoints answer, as JSON.
#pragma once

#include <chrono>
#include <string>

#include "sealstream/ingest/ingester.h"

namespace sealstream {

/// What a running process knows of itself beside its pipeline's status.
struct ProcessFacts {
  std::string version;
  std::string owner;
  std::chrono::system_clock::time_point started_at;
  std::chrono::steady_clock::time_point started;
};

/// /v1/status: version, health, lanes, how many partitions are in which state.
std::string status_json(const IngesterStatus& status, const ProcessFacts& facts,
                        std::chrono::steady_clock::time_point now);

/// /v1/partitions: every partition of this instance, by topic and number.
std::string partitions_json(const IngesterStatus& status);

}  // namespace sealstream
