// Moves a partition on to its next log, with what an operator accepts as lost.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "postgres/connection.h"
#include "sealstream/core/ids.h"

namespace sealstream {

struct Acceptance {
  PartitionId id;
  LogEpoch log_epoch;  ///< the log that is closed,
  Offset next_offset;  ///< and where the partition stands in it
  std::int64_t lost = 0;
  Offset go_on_at;
  std::string reason;
  std::string event_id;  ///< of the event that says so
};

/// Does so in one transaction, and returns the epoch of the next log. `say` publishes the event: it runs
/// while the position is held, before anything is committed, and what it throws leaves everything as it was.
/// Nothing happens, and nothing is returned, where the partition does not stand there any more. Throws
/// LedgerError.
std::optional<LogEpoch> accept_loss(Connection& as_operator, const Acceptance& acceptance,
                                    const std::function<void()>& say);

}  // namespace sealstream
