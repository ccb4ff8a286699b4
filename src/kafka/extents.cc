#include "kafka/extents.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 1));
}

/// A ListOffsets request takes a logical offset in place of the time (Kafka's protocol, ListOffsets: -1 is
/// the latest, -2 the earliest, the same numbers as librdkafka's logical offsets).
/// rd_kafka_query_watermark_offsets asks the same, but does not keep its timeout.
PartitionList ask(rd_kafka_s* client, std::span<const PartitionId> ids, std::int64_t logical_offset,
                  Clock::time_point deadline) {
  PartitionList list = partition_list(ids, logical_offset);
  if (rd_kafka_offsets_for_times(client, list.get(), milliseconds_until(deadline)) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return nullptr;
  }
  return list;
}

std::optional<Offset> answer_for(const PartitionList& list, const PartitionId& id) {
  const rd_kafka_topic_partition_t* found =
      rd_kafka_topic_partition_list_find(list.get(), id.topic.c_str(), id.partition.value());
  if (found == nullptr || found->err != RD_KAFKA_RESP_ERR_NO_ERROR || found->offset < 0) {
    return std::nullopt;
  }
  return Offset(found->offset);
}

}  // namespace

std::vector<std::pair<PartitionId, Extent>> ask_extents(rd_kafka_s* client, std::span<const PartitionId> ids,
                                                        milliseconds timeout) {
  std::vector<std::pair<PartitionId, Extent>> extents;
  if (ids.empty()) {
    return extents;
  }
  const Clock::time_point deadline = Clock::now() + timeout;
  const PartitionList starts = ask(client, ids, RD_KAFKA_OFFSET_BEGINNING, deadline);
  const PartitionList ends = starts ? ask(client, ids, RD_KAFKA_OFFSET_END, deadline) : nullptr;
  if (!ends) {
    return extents;
  }
  for (const PartitionId& id : ids) {
    const std::optional<Offset> start = answer_for(starts, id);
    const std::optional<Offset> end = answer_for(ends, id);
    if (start && end) {
      extents.emplace_back(id, Extent{*start, *end});
    }
  }
  return extents;
}

}  // namespace sealstream
