// What a committed batch did, in the words of the probe.
#pragma once

#include <span>

#include "ingest/batch.h"
#include "sealstream/ingest/ledger.h"
#include "sealstream/ingest/probe.h"

namespace sealstream {

/// `committed_at` is our clock: for the latency only, nothing that is stored depends on it.
BatchReport report_on(std::span<const Entry> entries, const WriteSet& writes, Timestamp committed_at);

}  // namespace sealstream
