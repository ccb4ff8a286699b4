// Asks the broker where partitions begin and end.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "kafka/handle.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

/// For every partition that the broker answers for within `timeout`; others are left out. The end is the one
/// that the client's isolation level may read to: with read_committed, before the first open transaction.
/// Thread-safe. Two requests a leader, whatever the number of partitions.
std::vector<std::pair<PartitionId, Extent>> ask_extents(rd_kafka_s* client, std::span<const PartitionId> ids,
                                                        milliseconds timeout);

}  // namespace sealstream
