// Asks the broker where partitions begin and end, and whether they are the logs that they were.
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

/// A partition, and the first record that was read of its log.
using Watched = std::pair<PartitionId, Witness>;

/// Whether each log seems to be another one than its witness was read of: a record at or before the witness's
/// offset is younger. It is another one unless clocks went back; LogReader::is_log_of looks. Partitions for
/// which the broker does not answer within `timeout` are left out. Thread-safe. One request a leader.
std::vector<std::pair<Watched, bool>> ask_witnesses(rd_kafka_s* client, std::span<const Watched> watched,
                                                    milliseconds timeout);

}  // namespace sealstream
