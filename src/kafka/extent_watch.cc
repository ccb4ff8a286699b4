#include "kafka/extent_watch.h"

#include <librdkafka/rdkafka.h>

#include <chrono>

#include "kafka/extents.h"
#include "kafka/log_reader.h"

namespace sealstream {

namespace {

using Clock = std::chrono::steady_clock;

constexpr milliseconds kLook{4'000};  ///< at a witness itself

}  // namespace

ExtentWatch::ExtentWatch(rd_kafka_s* client, Assignment& assignment, std::size_t lanes,
                         const KafkaOptions& options, Probe& probe)
    : client_(client), assignment_(assignment), options_(options), probe_(probe), lanes_(lanes) {
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
      ask_logs(stop);
    }
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

void ExtentWatch::watch(std::size_t lane, const PartitionId& id, const std::optional<Witness>& witness) {
  {
    LaneLogs& of = lanes_[lane];
    const std::lock_guard guard(of.lock);
    of.logs.erase(id);
    if (!witness) {
      return;
    }
    of.logs.emplace(id, LaneLogs::Log{*witness});
  }
  wake();
}

std::optional<AnotherLog> ExtentWatch::take_another_log(std::size_t lane) {
  LaneLogs& of = lanes_[lane];
  const std::lock_guard guard(of.lock);
  if (!of.found) {
    return std::nullopt;
  }
  for (auto& [id, log] : of.logs) {
    if (log.finding == Finding::another) {
      log.finding = Finding::told;
      return AnotherLog{id, log.witness};
    }
  }
  of.found = false;
  return std::nullopt;
}

/// What seems to be another log is looked at by a client of its own, which few need, and seldom: a clock that
/// went back makes a log seem so for ever.
void ExtentWatch::ask_logs(const std::stop_token& stop) {
  std::optional<LogReader> reader;
  for (const auto& [watched, seems_another] :
       ask_witnesses(client_, open_questions(), options_.extent_timeout)) {
    if (!seems_another) {
      continue;
    }
    if (stop.stop_requested()) {
      return;
    }
    try {
      if (!reader) {
        reader.emplace(options_);
      }
      if (const auto same = reader->is_log_of(watched.first, watched.second, kLook)) {
        settle(watched, *same);
      } else {
        probe_.kafka_error("another_log", "No answer to whether a log that seems another one is");
      }
    } catch (const SourceError& error) {
      probe_.kafka_error("another_log", error.what());
    }
  }
}

std::vector<Watched> ExtentWatch::open_questions() {
  std::vector<Watched> questions;
  for (const Held* held : assignment_.assigned()) {
    LaneLogs& of = lanes_[held->lane];
    const std::lock_guard guard(of.lock);
    const auto log = of.logs.find(held->id);
    if (log != of.logs.end() && log->second.finding == Finding::open &&
        log->second.ask_from <= Clock::now()) {
      questions.emplace_back(held->id, log->second.witness);
    }
  }
  return questions;
}

void ExtentWatch::settle(const Watched& watched, bool same) {
  for (LaneLogs& of : lanes_) {
    const std::lock_guard guard(of.lock);
    const auto log = of.logs.find(watched.first);
    if (log == of.logs.end() || log->second.witness != watched.second) continue;
    if (same) {
      log->second.ask_from = Clock::now() + options_.witness_rest;
    } else {
      log->second.finding = Finding::another;
      of.found = true;
    }
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
