#include "kafka/fetched.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace sealstream {
namespace {

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

}  // namespace

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
    auto whole =
        std::make_unique<MessageWithHeaders>(MessageWithHeaders{std::move(message), std::move(headers)});
    fetched.record.headers = whole->headers;
    fetched.owner = {whole.release(), [](void* owned) { delete static_cast<MessageWithHeaders*>(owned); }};
  }
  return fetched;
}

}  // namespace sealstream
