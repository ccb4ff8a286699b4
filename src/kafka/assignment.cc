#include "kafka/assignment.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <string>

#include "ingest/sabotage.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

/// librdkafka 2.0.2 takes this timeout of a seek for microseconds, later ones for milliseconds. What timed
/// out may be sent again.
constexpr int kSeekTry = 2'000;

std::string text(const PartitionId& id) { return id.topic + "/" + std::to_string(id.partition.value()); }

/// Runs under the lock of the partition's own queue, on a thread of librdkafka.
void mark_strayed(rd_kafka_t*, void* held) { static_cast<Held*>(held)->strayed = true; }

void check(rd_kafka_resp_err_t error, const std::string& what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw SourceError("Kafka: " + what + ": " + rd_kafka_err2str(error));
  }
}

}  // namespace

Held::~Held() {
  if (own_queue_) {
    rd_kafka_queue_cb_event_enable(own_queue_.get(), nullptr, nullptr);
  }
}

void Held::forward(Queue own_queue, rd_kafka_queue_s* lane_queue) {
  if (own_queue_) {
    rd_kafka_queue_cb_event_enable(own_queue_.get(), nullptr, nullptr);
  }
  own_queue_ = std::move(own_queue);
  rd_kafka_queue_cb_event_enable(own_queue_.get(), mark_strayed, this);
  forward_to(lane_queue);
}

void Held::forward_to(rd_kafka_queue_s* queue) {
  if (own_queue_) {
    rd_kafka_queue_forward(own_queue_.get(), queue);
    strayed = false;
  }
}

void Held::advance(AssignmentNumber number, Offset position) {
  const std::lock_guard guard(lock_);
  if (number == number_) {
    position_ = position;
  }
}

void Held::restart(AssignmentNumber number, Offset position) {
  const std::lock_guard guard(lock_);
  number_ = number;
  position_ = position;
}

Offset Held::position() const {
  const std::lock_guard guard(lock_);
  return position_;
}

Assignment::Assignment(rd_kafka_s* client, std::vector<rd_kafka_queue_s*> lane_queues, Probe& probe)
    : client_(client), lane_queues_(std::move(lane_queues)), probe_(probe) {}

void Assignment::assign(std::span<const Start> starts) {
  const std::lock_guard guard(lock_);
  assert(std::none_of(held_.begin(), held_.end(),
                      [](const auto& each) { return each.second->assigned.load(); }));
  Positions positions;
  for (const Start& start : starts) {
    assert(start.lane < lane_queues_.size());
    make_held(start.id).lane = start.lane;
    positions.emplace_back(start.id, start.offset);
  }
  start_fetchers(positions);
}

void Assignment::unassign() {
  const std::lock_guard guard(lock_);
  hold_nothing();
  stop_fetchers();
}

/// librdkafka 2.0.2 drops what its group's queue holds when it has left, a question of stop_fetchers too,
/// which then waits for ever: about one leave in 150.
void Assignment::unassign_leaving() {
  const std::lock_guard guard(lock_);
  hold_nothing();
  tell_fetchers_to_stop();
  drain_own_queues();
}

void Assignment::hold_nothing() {
  for (auto& [id, held] : held_) {
    held->assigned = false;
  }
  waiting_seeks_.clear();
}

void Assignment::mend() {
  const std::lock_guard guard(lock_);
  for (auto& [id, held] : held_) {
    if (held->assigned && held->strayed) {
      forward(*held);
      probe_.queue_forward_lost(id);
    }
  }
  if (!waiting_seeks_.empty()) {
    restart_for_seeks();
  }
}

void Assignment::seek(const PartitionId& id, Offset offset, milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  while (!seek_once(id, offset)) {
    if (Clock::now() >= deadline) {
      throw SourceError("Kafka: the client did not go to an offset of " + text(id) + " in time");
    }
  }
}

/// False where librdkafka did not say in time whether it was done. The lock is let go between tries, so that
/// the group's thread need not wait for a lane.
bool Assignment::seek_once(const PartitionId& id, Offset offset) {
  const std::lock_guard guard(lock_);
  Held* held = find_locked(id);
  if (held == nullptr || !held->assigned) {
    throw SourceError("Kafka: cannot go to an offset of " + text(id) + ", which is not assigned");
  }
  held->restart(number_, offset);
  if (held->stopped || waiting_seeks_.contains(id)) {
    waiting_seeks_[id] = offset;
    return true;
  }
  const std::pair<PartitionId, Offset> target{id, offset};
  const PartitionList list = partition_list({&target, 1});
  const KafkaError error(rd_kafka_seek_partitions(client_, list.get(), kSeekTry));
  const rd_kafka_resp_err_t outcome = error ? rd_kafka_error_code(error.get()) : list->elems[0].err;
  if (outcome == RD_KAFKA_RESP_ERR__TIMED_OUT) {
    return false;
  }
  if (outcome == RD_KAFKA_RESP_ERR__STATE) {  // its fetcher has stopped, and the lane is about to hear of it
    waiting_seeks_[id] = offset;
    return true;
  }
  check(outcome, "cannot go to an offset of " + text(id));
  return true;
}

/// librdkafka starts a stopped fetcher only with a new assignment: all partitions go on where their lanes
/// are. Those that nobody asked to go on stay out of it.
void Assignment::restart_for_seeks() {
  Positions positions;
  for (const auto& [id, held] : held_) {
    const auto seek = waiting_seeks_.find(id);
    if (seek != waiting_seeks_.end()) {
      positions.push_back(*seek);
    } else if (held->assigned && !held->stopped) {
      positions.emplace_back(id, held->position());
    }
  }
  waiting_seeks_.clear();
  stop_fetchers();
  start_fetchers(positions);
}

/// On return every fetcher has dropped its forwarding: rd_kafka_assign queues the stops to librdkafka's main
/// thread, which answers the question after it only when they are done. A client that has left its group
/// answers neither, and fetches nothing.
void Assignment::stop_fetchers() {
  if (tell_fetchers_to_stop()) {
    rd_kafka_topic_partition_list_t* answer = nullptr;
    if (rd_kafka_assignment(client_, &answer) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const PartitionList nothing(answer);
      assert(nothing->cnt == 0);
    }
  }
  drain_own_queues();
}

/// False where the client has left its group.
bool Assignment::tell_fetchers_to_stop() {
  const rd_kafka_resp_err_t error = rd_kafka_assign(client_, nullptr);
  if (error == RD_KAFKA_RESP_ERR__DESTROY) {
    return false;
  }
  check(error, "partitions could not be let go");
  return true;
}

/// What a stop leaves in a partition's own queue refers to the partition, which then is never freed when its
/// topic is deleted, and librdkafka 2.0.2 waits for it for ever when the client goes.
void Assignment::drain_own_queues() {
  const Queue nowhere(rd_kafka_queue_new(client_));  // destroyed, it drops what is in it and what comes
  for (auto& [id, held] : held_) {
    held->forward_to(nowhere.get());
  }
}

void Assignment::start_fetchers(const Positions& positions) {
  const AssignmentNumber number = ++number_;
  for (const auto& [id, offset] : positions) {
    Held& held = make_held(id);
    held.restart(number, offset);
    held.stopped = false;
    if (number == 1 || !mutant("queue_not_forwarded_again")) forward(held);
  }
  check(rd_kafka_assign(client_, partition_list(positions).get()), "partitions could not be taken");
  for (const auto& [id, offset] : positions) {
    make_held(id).assigned = true;
  }
}

/// Asks for the queue each time: a topic that was deleted and made again has others.
void Assignment::forward(Held& held) {
  Queue own(rd_kafka_queue_get_partition(client_, held.id.topic.c_str(), held.id.partition.value()));
  if (!own) {
    throw SourceError("Kafka: the client has no queue for " + text(held.id));
  }
  held.forward(std::move(own), lane_queues_[held.lane]);
}

Held& Assignment::make_held(const PartitionId& id) {
  std::unique_ptr<Held>& held = held_[id];
  if (!held) {
    held = std::make_unique<Held>(id);
  }
  return *held;
}

Held* Assignment::find(std::string_view topic, std::int32_t partition) const {
  const std::lock_guard guard(lock_);
  return find_locked({std::string(topic), Partition(partition)});
}

Held* Assignment::find_locked(const PartitionId& id) const {
  const auto found = held_.find(id);
  return found == held_.end() ? nullptr : found->second.get();
}

std::vector<Held*> Assignment::assigned() const {
  const std::lock_guard guard(lock_);
  std::vector<Held*> found;
  for (const auto& [id, held] : held_) {
    if (held->assigned) {
      found.push_back(held.get());
    }
  }
  return found;
}

bool Assignment::lane_is_empty(const Held& held) const {
  return rd_kafka_queue_length(lane_queues_[held.lane]) == 0;
}

}  // namespace sealstream
