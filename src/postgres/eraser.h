// Finds and takes away personal values, as audit_eraser (migrations/0009_erasure.up.sql).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.h"
#include "sealstream/core/erasure.h"
#include "sealstream/core/ids.h"

namespace sealstream {

/// Whose values are meant: all rows of a tenant in which the user acted or was acted for, or one event's.
struct Erasable {
  std::string tenant;
  std::string user;      ///< empty: event_id counts
  std::string event_id;  ///< may stand in the chain more than once, in different leaves
};

/// Rows that follow each other in their chain and all hold a personal value.
struct PersonalRows {
  SeqRange seqs;
  Timestamp earliest;  ///< event_time
  Timestamp latest;
};

/// An erasure's event in the chain.
struct ErasureEvent {
  Seq seq;
  std::vector<SeqRange> erased;
};

struct ErasedCounts {
  std::int64_t rows = 0;
  std::int64_t refused = 0;
};

/// One connection. Not thread-safe. All calls throw LedgerError, and take as long as it takes to read the
/// tenant's rows.
class Eraser {
 public:
  explicit Eraser(ConnectionOptions options);

  /// By rising seq.
  std::vector<PersonalRows> rows(const Erasable& wanted);
  /// By rising seq.
  std::vector<ErasureEvent> erasures(const std::string& tenant);
  /// How many refused records of the tenant hold one of these byte strings.
  std::int64_t refused(const std::string& tenant, const std::vector<std::string>& needles);
  /// The seq of an event's row, once it is there.
  std::optional<Seq> find(const std::string& tenant, const std::string& event_id);

  /// In one transaction: the values of these rows, which the event at `event` must name, and of all that was
  /// derived from them; and what refused records hold that have one of these byte strings.
  ErasedCounts erase(const std::string& tenant, Seq event, const std::vector<SeqRange>& rows,
                     const std::vector<std::string>& needles);

 private:
  Connection connection_;
};

}  // namespace sealstream
