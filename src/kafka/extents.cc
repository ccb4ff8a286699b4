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

/// A ListOffsets request: for each partition a time in the place of its offset, or a logical offset in the
/// place of the time (Kafka's protocol, ListOffsets: -1 is the latest, -2 the earliest, the same numbers as
/// librdkafka's logical offsets). rd_kafka_query_watermark_offsets asks the same, but does not keep its
/// timeout.
PartitionList ask(rd_kafka_s* client, PartitionList list, Clock::time_point deadline) {
  if (rd_kafka_offsets_for_times(client, list.get(), milliseconds_until(deadline)) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return nullptr;
  }
  return list;
}

/// RD_KAFKA_OFFSET_END where nothing is as young as was asked for.
std::optional<Offset> answer_for(const PartitionList& list, const PartitionId& id) {
  const rd_kafka_topic_partition_t* found =
      rd_kafka_topic_partition_list_find(list.get(), id.topic.c_str(), id.partition.value());
  if (found == nullptr || found->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  return Offset(found->offset);
}

/// As Kafka counts time.
std::int64_t behind(const Witness& witness) {
  return std::chrono::floor<milliseconds>(witness.time.time_since_epoch()).count() + 1;
}

}  // namespace

std::vector<std::pair<PartitionId, Extent>> ask_extents(rd_kafka_s* client, std::span<const PartitionId> ids,
                                                        milliseconds timeout) {
  std::vector<std::pair<PartitionId, Extent>> extents;
  if (ids.empty()) {
    return extents;
  }
  const Clock::time_point deadline = Clock::now() + timeout;
  const PartitionList starts = ask(client, partition_list(ids, RD_KAFKA_OFFSET_BEGINNING), deadline);
  const PartitionList ends =
      starts ? ask(client, partition_list(ids, RD_KAFKA_OFFSET_END), deadline) : nullptr;
  if (!ends) {
    return extents;
  }
  for (const PartitionId& id : ids) {
    const std::optional<Offset> start = answer_for(starts, id);
    const std::optional<Offset> end = answer_for(ends, id);
    if (start && end && *start >= Offset(0) && *end >= Offset(0)) {
      extents.emplace_back(id, Extent{*start, *end});
    }
  }
  return extents;
}

std::vector<std::pair<Watched, bool>> ask_witnesses(rd_kafka_s* client, std::span<const Watched> watched,
                                                    milliseconds timeout) {
  std::vector<std::pair<Watched, bool>> seem_others;
  if (watched.empty()) {
    return seem_others;
  }
  std::vector<std::pair<PartitionId, Offset>> times;
  for (const auto& [id, witness] : watched) {
    times.emplace_back(id, Offset(behind(witness)));
  }
  const PartitionList answers = ask(client, partition_list(times), Clock::now() + timeout);
  if (!answers) {
    return seem_others;
  }
  for (const Watched& each : watched) {
    if (const std::optional<Offset> younger = answer_for(answers, each.first)) {
      seem_others.emplace_back(each, *younger >= Offset(0) && *younger <= each.second.offset);
    }
  }
  return seem_others;
}

}  // namespace sealstream
