#include "kafka/lane_stream.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cassert>
#include <chrono>

#include "kafka/extents.h"
#include "kafka/fetched.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

/// So many records without a wait come of a backlog: a fetcher may have filled its queue meanwhile.
constexpr int kBacklogRun = 1'000;

}  // namespace

LaneStream::LaneStream(std::size_t lane, rd_kafka_s* client, rd_kafka_queue_s* queue, Assignment& assignment,
                       ExtentWatch& watch, const KafkaOptions& options, Probe& probe)
    : lane_(lane),
      client_(client),
      queue_(queue),
      assignment_(assignment),
      watch_(watch),
      options_(options),
      probe_(probe) {}

std::optional<Delivery> LaneStream::next(milliseconds timeout) {
  if (std::optional<AnotherLog> found = watch_.take_another_log(lane_)) {
    return found;
  }
  const Clock::time_point deadline = Clock::now() + timeout;
  int wait_ms = static_cast<int>(timeout.count());
  while (true) {
    const AssignmentNumber number = assignment_.number();
    Message message(rd_kafka_consume_queue(queue_, 0));
    if (!message) {
      wake_fetcher();
      message.reset(rd_kafka_consume_queue(queue_, wait_ms));
    }
    if (!message) {
      return std::nullopt;
    }
    if (std::optional<Delivery> delivery = deliver(std::move(message), number)) {
      return delivery;
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    wait_ms = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
  }
}

/// A fetcher whose queue was full looks at it again when something arrives on its connection, or after a
/// second (librdkafka 2.0.2, rd_kafka_broker_consumer_serve). The answers to the watch's questions do arrive.
void LaneStream::wake_fetcher() {
  if (run_ >= kBacklogRun) {
    watch_.wake();
  }
  run_ = 0;
}

/// Nothing where it was an error that librdkafka mends by itself.
std::optional<Delivery> LaneStream::deliver(Message message, AssignmentNumber number) {
  if (message->rkt == nullptr) {
    probe_.kafka_error(rd_kafka_err2name(message->err), rd_kafka_message_errstr(message.get()));
    return std::nullopt;
  }
  Held& held = held_of(*message);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return deliver_event(*message, held, number);
  }
  held.advance(number, Offset(message->offset + 1));
  ++run_;
  return fetched(std::move(message), held.id.topic);
}

std::optional<Delivery> LaneStream::deliver_event(const rd_kafka_message_t& message, Held& held,
                                                  AssignmentNumber number) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      held.advance(number, Offset(message.offset));
      return EndReached{held.id, Offset(message.offset)};
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      held.stopped = true;
      return OutOfRange{held.id};
    default:
      probe_.kafka_error(rd_kafka_err2name(message.err), rd_kafka_message_errstr(&message));
      return std::nullopt;
  }
}

Held& LaneStream::held_of(const rd_kafka_message_t& message) {
  const char* topic = rd_kafka_topic_name(message.rkt);
  if (last_held_ == nullptr || last_held_->id.partition.value() != message.partition ||
      last_held_->id.topic != topic) {
    last_held_ = assignment_.find(topic, message.partition);
    assert(last_held_ != nullptr);
  }
  return *last_held_;
}

void LaneStream::seek(const PartitionId& id, Offset offset) {
  assignment_.seek(id, offset, options_.seek_timeout);
}

void LaneStream::watch(const PartitionId& id, const std::optional<Witness>& witness) {
  watch_.watch(lane_, id, witness);
}

/// Wakes the watch, which asks for metadata: perhaps the broker that was asked does not lead the partition
/// any more, and the next question goes to the one that does.
std::optional<Extent> LaneStream::extent(const PartitionId& id, milliseconds timeout) {
  const auto found = ask_extents(client_, {&id, 1}, timeout);
  watch_.wake();
  return found.empty() ? std::nullopt : std::optional(found.front().second);
}

void LaneStream::mirror(std::span<const std::pair<PartitionId, Offset>> next_offsets) {
  if (next_offsets.empty()) {
    return;
  }
  const rd_kafka_resp_err_t error =
      rd_kafka_commit(client_, partition_list(next_offsets).get(), 1 /* async */);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    probe_.kafka_error(rd_kafka_err2name(error), rd_kafka_err2str(error));
  }
}

}  // namespace sealstream
