#include "kafka/consumer.h"

#include <librdkafka/rdkafka.h>

#include <cassert>
#include <chrono>
#include <utility>

#include "kafka/extents.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

constexpr milliseconds kPoll{50};

std::vector<Queue> make_queues(rd_kafka_s* client, std::size_t lanes) {
  std::vector<Queue> queues;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    queues.emplace_back(rd_kafka_queue_new(client));
  }
  return queues;
}

std::vector<rd_kafka_queue_s*> borrow(const std::vector<Queue>& queues) {
  std::vector<rd_kafka_queue_s*> borrowed;
  borrowed.reserve(queues.size());
  for (const Queue& queue : queues) {
    borrowed.push_back(queue.get());
  }
  return borrowed;
}

std::vector<PartitionId> ids_of(const rd_kafka_topic_partition_list_s& list) {
  std::vector<PartitionId> ids;
  ids.reserve(static_cast<std::size_t>(list.cnt));
  for (int i = 0; i < list.cnt; ++i) {
    ids.push_back({list.elems[i].topic, Partition(list.elems[i].partition)});
  }
  return ids;
}

/// Of a token that it cannot make librdkafka quotes what it was to be made of, which may be secret.
std::string without_quotation(std::string_view message) {
  for (const std::string_view quoted : {"sasl.oauthbearer.config", "SASL/OAUTHBEARER extension"}) {
    const std::size_t at = message.find(quoted);
    if (at != message.npos) message = message.substr(0, at + quoted.size());
  }
  return std::string(message);
}

void check_topics(const std::vector<std::string>& topics) {
  for (const std::string& topic : topics) {
    if (!is_topic_name(topic)) {
      throw SourceError("kafka.topics: \"" + topic +
                        "\" is no name of a topic (letters, digits, '.', '_', '-')");
    }
  }
}

}  // namespace

Consumer::Consumer(KafkaOptions options, std::size_t lanes, Probe& probe)
    : options_(std::move(options)),
      probe_(probe),
      client_(make_member(options_, *this)),
      lane_queues_(make_queues(client_.get(), lanes)),
      assignment_(client_.get(), borrow(lane_queues_), probe),
      watch_(client_.get(), assignment_, lanes, options_, probe) {
  check_topics(options_.topics);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    streams_.push_back(std::make_unique<LaneStream>(lane, client_.get(), lane_queues_[lane].get(),
                                                    assignment_, watch_, options_, probe));
  }
}

Consumer::~Consumer() = default;

RecordStream& Consumer::stream(std::size_t lane) { return *streams_.at(lane); }

void Consumer::serve(GroupListener& listener, std::stop_token stop) {
  listener_ = &listener;
  std::exception_ptr thrown;
  try {
    subscribe();
    serve_group(stop);
  } catch (...) {
    thrown = std::current_exception();
  }
  try {
    leave();
  } catch (...) {
    thrown = thrown ? thrown : std::current_exception();
  }
  listener_ = nullptr;
  if (!thrown) {
    thrown = std::exchange(thrown_, nullptr);
  }
  if (thrown) {
    std::rethrow_exception(thrown);
  }
}

void Consumer::subscribe() {
  std::vector<PartitionId> topics;
  for (const std::string& topic : options_.topics) {
    topics.push_back({topic, Partition(RD_KAFKA_PARTITION_UA)});
  }
  const rd_kafka_resp_err_t error =
      rd_kafka_subscribe(client_.get(), partition_list(topics, RD_KAFKA_OFFSET_INVALID).get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw SourceError(std::string("Kafka: cannot subscribe: ") + rd_kafka_err2str(error));
  }
}

void Consumer::serve_group(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    poll(kPoll);
    if (thrown_) {
      return;
    }
    std::array<char, 512> reason{};
    if (rd_kafka_fatal_error(client_.get(), reason.data(), reason.size()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      throw SourceError(std::string("Kafka put this member out of its group for good: ") + reason.data());
    }
    assignment_.mend();
    listener_->tick(*this);
  }
}

/// Serves callbacks. What else comes here concerns no partition of a lane: a topic that is not there, rights.
void Consumer::poll(milliseconds timeout) {
  const Message message(rd_kafka_consumer_poll(client_.get(), static_cast<int>(timeout.count())));
  if (message) {
    assert(message->err != RD_KAFKA_RESP_ERR_NO_ERROR);  // a record would have bypassed its lane
    failed(rd_kafka_err2name(message->err), rd_kafka_message_errstr(message.get()));
  }
}

void Consumer::rebalanced(int code, rd_kafka_topic_partition_list_s* partitions) noexcept {
  try {
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      take(ids_of(*partitions));
    } else {
      if (code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        const auto error = static_cast<rd_kafka_resp_err_t>(code);
        failed(rd_kafka_err2name(error), rd_kafka_err2str(error));
      }
      let_go(ids_of(*partitions));
    }
  } catch (...) {
    thrown_ = std::current_exception();
    held_.clear();
    rd_kafka_assign(client_.get(), nullptr);  // the group must not wait for an answer
  }
}

void Consumer::take(std::vector<PartitionId> partitions) {
  held_ = partitions;
  answered_ = false;
  listener_->assigned(std::move(partitions), *this);
  if (!answered_) {
    assign({});
  }
}

void Consumer::let_go(const std::vector<PartitionId>& partitions) {
  held_.clear();
  answered_ = true;
  if (rd_kafka_assignment_lost(client_.get())) {
    listener_->lost(partitions);
  } else {
    listener_->revoked(partitions);
  }
  release();
}

/// Whoever leaves the group gets no answer any more.
void Consumer::release() {
  if (leaving_) {
    assignment_.unassign_leaving();
  } else {
    assignment_.unassign();
  }
}

void Consumer::assign(std::span<const Start> starts) {
  answered_ = true;
  assignment_.assign(starts);
  watch_.wake();
}

std::vector<std::optional<Extent>> Consumer::extents(std::span<const PartitionId> ids, milliseconds timeout) {
  std::vector<std::optional<Extent>> extents(ids.size());
  for (const auto& [id, extent] : ask_extents(client_.get(), ids, timeout)) {
    extents[static_cast<std::size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin())] = extent;
  }
  return extents;
}

/// rd_kafka_consumer_close would wait without a limit for a broker that is away.
void Consumer::leave() {
  watch_.stop();
  const Queue queue(rd_kafka_queue_new(client_.get()));
  const KafkaError refused(rd_kafka_consumer_close_queue(client_.get(), queue.get()));
  leaving_ = !refused;
  const Clock::time_point deadline = Clock::now() + options_.leave_deadline;
  while (!refused && rd_kafka_consumer_closed(client_.get()) == 0 && Clock::now() < deadline) {
    rd_kafka_queue_poll_callback(queue.get(), static_cast<int>(kPoll.count()));
  }
  while (refused && !held_.empty() && Clock::now() < deadline) {
    poll(kPoll);  // a member that was put out is told that it lost all
  }
  const std::vector<PartitionId> held = std::exchange(held_, {});
  if (!held.empty()) {
    listener_->revoked(held);
  }
  release();
}

void Consumer::failed(const char* code, const char* message) noexcept {
  probe_.kafka_error(code, without_quotation(message));
}

}  // namespace sealstream
