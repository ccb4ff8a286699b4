#include "kafka/log_reader.h"

#include <algorithm>
#include <chrono>

#include "kafka/client.h"
#include "kafka/extents.h"
#include "kafka/fetched.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

milliseconds left(Clock::time_point deadline) {
  return std::max(std::chrono::ceil<milliseconds>(deadline - Clock::now()), milliseconds::zero());
}

/// Nothing where it was an error that librdkafka mends by itself.
std::optional<Delivery> delivery(Message message, const PartitionId& id) {
  switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return fetched(std::move(message), id.topic);
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      return EndReached{id, Offset(message->offset)};
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return OutOfRange{id};
    default:
      return std::nullopt;
  }
}

}  // namespace

LogReader::LogReader(const KafkaOptions& options) : client_(make_asker(options)) {}

LogReader::~LogReader() { stop(); }

void LogReader::begin(const PartitionId& id, Offset offset) {
  stop();
  topic_.reset(rd_kafka_topic_new(client_.get(), id.topic.c_str(), nullptr));
  if (!topic_ || rd_kafka_consume_start(topic_.get(), id.partition.value(), offset.value()) != 0) {
    topic_.reset();
    throw SourceError(id.topic + " cannot be read: " + rd_kafka_err2str(rd_kafka_last_error()));
  }
  id_ = id;
}

std::optional<Delivery> LogReader::next(milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  for (;;) {
    const milliseconds wait = left(deadline);
    if (wait == milliseconds::zero()) return std::nullopt;
    Message message(rd_kafka_consume(topic_.get(), id_.partition.value(), static_cast<int>(wait.count())));
    if (!message) continue;
    if (auto found = delivery(std::move(message), id_)) return found;
  }
}

std::vector<std::pair<PartitionId, Extent>> LogReader::extents(std::span<const PartitionId> ids,
                                                               milliseconds timeout) {
  return ask_extents(client_.get(), ids, timeout);
}

std::optional<bool> LogReader::is_log_of(const PartitionId& id, const Witness& witness,
                                         milliseconds timeout) {
  const Watched watched{id, witness};
  const Clock::time_point deadline = Clock::now() + timeout;
  const auto answer = ask_witnesses(client_.get(), {&watched, 1}, timeout);
  if (answer.empty()) return std::nullopt;
  const bool seems_another = answer.front().second;
  return seems_another ? holds(id, witness, left(deadline)) : true;
}

/// A log that does not begin behind the witness: where its record is gone, so is the log.
std::optional<bool> LogReader::holds(const PartitionId& id, const Witness& witness, milliseconds timeout) {
  const Clock::time_point deadline = Clock::now() + timeout;
  begin(id, witness.offset);
  const auto delivery = next(left(deadline));
  if (!delivery) return std::nullopt;
  if (const auto* fetched = std::get_if<FetchedRecord>(&*delivery))
    return Witness{fetched->record.offset, fetched->record.timestamp} == witness;
  if (std::holds_alternative<EndReached>(*delivery)) return false;
  const auto log = extents({&id, 1}, left(deadline));
  const bool taken_meanwhile = !log.empty() && log.front().second.start > witness.offset;
  return log.empty() || taken_meanwhile ? std::nullopt : std::optional(false);
}

void LogReader::stop() {
  if (topic_) rd_kafka_consume_stop(topic_.get(), id_.partition.value());
  topic_.reset();
}

}  // namespace sealstream
