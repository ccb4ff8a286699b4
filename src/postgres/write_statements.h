// The statements of the one transaction that follow the COPY (design: delivery.md, "A batch"). Each raises
// inside the server where what it found is not what the batch was sealed on.
#pragma once

#include <string>

#include "postgres/parameter.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// What begins every transaction of ours: limits on waiting, set for this transaction only. Shorter than
/// ConnectionOptions::answer_timeout.
std::string begin_sql();

/// Moves heads by compare-and-set, sorted by tenant so that two writers never deadlock. Raises SL001 where a
/// head is not at its base, or is missing though its base is not the chain's beginning.
Statement heads_statement(const std::vector<HeadMove>& heads);

/// Keeps refused records.
Statement quarantine_statement(const std::vector<QuarantineRow>& rows);

/// Moves positions and adds to the totals. Raises SL002 where one is not held under its epoch and offset.
Statement partitions_statement(const std::vector<PartitionMove>& partitions);

}  // namespace sealstream
