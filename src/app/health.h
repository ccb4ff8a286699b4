// What /livez and /readyz say: decided from a status and a clock, nothing else.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "sealstream/ingest/ingester.h"

namespace sealstream {

/// A lane or the group thread that did not tick for this long hangs.
inline constexpr std::chrono::seconds kHeartbeatLimit{30};

struct HealthCheck {
  std::string name;
  bool ok = true;
  std::string why;  ///< a sentence where it is not ok
};

struct Health {
  std::vector<HealthCheck> checks;
  bool ok() const;
};

/// Whether every thread of the pipeline still ticks. A heartbeat that has not been written yet counts from
/// `started`.
Health liveness(const IngesterStatus& status, std::chrono::steady_clock::time_point now,
                std::chrono::steady_clock::time_point started);

/// Whether this instance reads, or stands by to: the group has answered, the database can be written and has
/// the right schema, and no drain has begun. A halted partition does not count: others would not read it
/// either.
Health readiness(const IngesterStatus& status);

/// {"ok": …, "checks": {name: {"ok": …, "why": …}}}
std::string to_json(const Health& health);

}  // namespace sealstream
