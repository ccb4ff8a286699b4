#include "kafka/extent_watch.h"

#include <librdkafka/rdkafka.h>

#include <chrono>

#include "kafka/extents.h"

namespace sealstream {

using Clock = std::chrono::steady_clock;

ExtentWatch::ExtentWatch(rd_kafka_s* client, Assignment& assignment, const KafkaOptions& options,
                         Probe& probe)
    : client_(client), assignment_(assignment), options_(options), probe_(probe) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void ExtentWatch::wake() {
  {
    const std::lock_guard guard(lock_);
    wake_ = true;
  }
  woken_.notify_one();
}

void ExtentWatch::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    ask_positions();
    if (!stop.stop_requested()) {
      ask_cluster();
    }
    std::unique_lock guard(lock_);
    woken_.wait_for(guard, stop, options_.extent_interval, [this] { return wake_; });
    wake_ = false;
  }
}

void ExtentWatch::ask_positions() {
  std::map<PartitionId, Held*> assigned;
  std::vector<PartitionId> ids;
  for (Held* held : assignment_.assigned()) {
    assigned.emplace(held->id, held);
    ids.push_back(held->id);
  }
  std::erase_if(stalls_, [&](const auto& stall) { return !assigned.contains(stall.first); });
  for (const auto& [id, extent] : ask_extents(client_, ids, options_.extent_timeout)) {
    Held& held = *assigned.at(id);
    if (held.assigned) {
      probe_.extent(id, extent);
      look_for_stall(held, extent.end);
    }
  }
}

void ExtentWatch::look_for_stall(Held& held, Offset end) {
  const Offset position = held.position();
  if (held.stopped || !assignment_.lane_is_empty(held) || position >= end) {
    stalls_.erase(held.id);
    return;
  }
  const Clock::time_point now = Clock::now();
  const auto [found, is_new] = stalls_.try_emplace(held.id, Stall{position, now});
  if (found->second.position != position) {
    found->second = {position, now};
  } else if (now - found->second.since >= options_.stall_after) {
    held.strayed = true;
    stalls_.erase(found);
  }
}

void ExtentWatch::ask_cluster() {
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto timeout_ms = static_cast<int>(options_.extent_timeout.count());
  if (rd_kafka_metadata(client_, 0, nullptr, &metadata, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    probe_.brokers_up(0);
    return;
  }
  probe_.brokers_up(metadata->broker_cnt);
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic& topic = metadata->topics[i];
    if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      probe_.topic_partitions(topic.topic, topic.partition_cnt);
    }
  }
  rd_kafka_metadata_destroy(metadata);
}

}  // namespace sealstream
