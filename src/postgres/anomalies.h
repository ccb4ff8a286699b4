// What the rules over API keys found, as audit_operator reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.h"
#include "sealstream/core/ids.h"

namespace sealstream {

/// One row of audit.api_key_anomalies (schemas/read-models.md).
struct Anomaly {
  std::string id;  ///< a UUID
  std::string tenant;
  std::string type;
  std::string severity;
  std::string subject;  ///< key, prefix, user, address
  std::optional<std::string> key_id;
  std::optional<std::string> key_prefix;
  std::optional<std::string> user_id;
  std::optional<std::string> ip_address;
  Timestamp window_start;
  Timestamp window_end;
  std::int64_t request_count = 0;
  std::int64_t error_count = 0;
  std::int64_t error_rate_permille = 0;
  std::int64_t unique_ips = 0;
  std::string details;  ///< JSON text
  Seq judged_seq;
  bool resolved = false;
  std::optional<Timestamp> resolved_at;
  std::optional<std::string> resolved_by;
};

struct AnomalyFilter {
  std::string tenant;            ///< empty: all
  std::string type;              ///< empty: all
  std::string severity;          ///< empty: all
  std::optional<bool> resolved;  ///< nothing: all
  int limit = 100;
};

/// The latest windows first. Throws LedgerError.
std::vector<Anomaly> list_anomalies(Connection& as_operator, const AnomalyFilter& filter);
/// `id` is the text of a UUID. Nothing where there is no such anomaly. Throws LedgerError.
std::optional<Anomaly> show_anomaly(Connection& as_operator, const std::string& id);

}  // namespace sealstream
