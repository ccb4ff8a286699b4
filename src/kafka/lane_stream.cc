#include "kafka/lane_stream.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cassert>
#include <chrono>

#include "kafka/extents.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

/// 9998-12-31: a producer's clock may say anything, and a row needs a leaf.
constexpr std::int64_t kLatestTimestamp_ms = 253'370'678'400'000;

/// A record with headers: librdkafka parses them, and Record wants them in one piece.
struct MessageWithHeaders {
  Message message;
  std::vector<Header> headers;
};

std::optional<std::string_view> bytes(const void* data, std::size_t size) {
  if (data == nullptr) {
    return std::nullopt;
  }
  return std::string_view(static_cast<const char*>(data), size);
}

std::vector<Header> headers_of(rd_kafka_message_t* message) {
  std::vector<Header> headers;
  rd_kafka_headers_t* found = nullptr;
  if (rd_kafka_message_headers(message, &found) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return headers;
  }
  headers.reserve(rd_kafka_header_cnt(found));
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (rd_kafka_header_get_all(found, headers.size(), &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    headers.push_back({name, bytes(value, size)});
  }
  return headers;
}

FetchedRecord fetched(Message message, std::string_view topic) {
  FetchedRecord fetched;
  rd_kafka_timestamp_type_t stamped_by = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t milliseconds_since_1970 = rd_kafka_message_timestamp(message.get(), &stamped_by);
  fetched.record.timestamp =
      Timestamp(milliseconds(std::clamp<std::int64_t>(milliseconds_since_1970, 0, kLatestTimestamp_ms)));
  fetched.log_append_time = stamped_by == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
  fetched.record.topic = topic;
  fetched.record.partition = Partition(message->partition);
  fetched.record.offset = Offset(message->offset);
  fetched.record.key = bytes(message->key, message->key_len);
  fetched.record.value = bytes(message->payload, message->len);
  std::vector<Header> headers = headers_of(message.get());
  if (headers.empty()) {
    fetched.owner = {message.release(),
                     [](void* owned) { KafkaRelease()(static_cast<rd_kafka_message_t*>(owned)); }};
  } else {
    auto whole = std::make_unique<MessageWithHeaders>(std::move(message), std::move(headers));
    fetched.record.headers = whole->headers;
    fetched.owner = {whole.release(), [](void* owned) { delete static_cast<MessageWithHeaders*>(owned); }};
  }
  return fetched;
}

}  // namespace

LaneStream::LaneStream(rd_kafka_s* client, rd_kafka_queue_s* queue, Assignment& assignment,
                       const KafkaOptions& options, Probe& probe)
    : client_(client), queue_(queue), assignment_(assignment), options_(options), probe_(probe) {}

std::optional<Delivery> LaneStream::next(milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  int wait_ms = static_cast<int>(timeout.count());
  while (true) {
    const AssignmentNumber number = assignment_.number();
    Message message(rd_kafka_consume_queue(queue_, wait_ms));
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

std::optional<Extent> LaneStream::extent(const PartitionId& id, milliseconds timeout) {
  const auto found = ask_extents(client_, {&id, 1}, timeout);
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
