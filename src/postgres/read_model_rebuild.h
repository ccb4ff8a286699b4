// Writes read models again from the ledger, as audit_rebuilder, while ingestion goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.h"
#include "postgres/read_model_tables.h"

namespace sealstream {

/// What became of the rows of one table.
struct RebuiltTable {
  const ReadModelTable* table = nullptr;
  std::int64_t added = 0;
  std::int64_t changed = 0;
  std::int64_t removed = 0;
};

/// The next piece of work.
struct RebuildStep {
  std::int64_t tenant = 0;   ///< 1 for the first
  std::int64_t tenants = 0;  ///< of so many
  ReadModel model{};
};

struct RebuildOptions {
  std::optional<std::string> tenant = {};  ///< nothing: all that have a chain, or a row in a read model
  std::optional<ReadModel> model = {};     ///< nothing: all
};

/// For each tenant and model it looks for rows that differ while batches go on, and ends there where none
/// does. Else it locks the tenant's head, so that batches with events of that tenant wait, all others not,
/// and writes. (A batch holds events of many tenants: it waits as a whole.)
/// - Usage and keys: the lock lasts as long as the differing rows take to write. What batches changed since
///   they were looked at is left as it is and looked at again, three times; the fourth look is
///   under the lock, which then lasts as long as the tenant's rows take to add up.
/// - Anomalies: it lasts as long as it takes to judge the rows that came since, to look once more at what
///   differed and at what came, which reads the tenant's rows of the models but not the ledger, and to write.
/// An erasure in the tenant waits for the one or the other to end, and finds what was written.
///
/// Stopped halfway it leaves what is done and nothing half done. A batch takes heads before read models and
/// so does this: they cannot block each other for ever. Calls `begin` before each tenant and model. Throws
/// LedgerError; a lock that is not got within a minute is one. Precondition: `connection`'s answer timeout is
/// as long as a statement may take.
std::vector<RebuiltTable> rebuild_read_models(Connection& connection, const RebuildOptions& options,
                                              const std::function<void(const RebuildStep&)>& begin);

/// The tenants that a rebuild with these options would go through.
std::vector<std::string> tenants_to_rebuild(Connection& connection, const RebuildOptions& options);

}  // namespace sealstream
