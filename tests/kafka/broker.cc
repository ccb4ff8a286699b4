#include "broker.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>

namespace sealstream::test {
namespace {

constexpr int kTimeout_ms = 30'000;

using Clock = std::chrono::steady_clock;
using Event = std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)>;

Client make_client(const Settings& settings, rd_kafka_type_t type = RD_KAFKA_PRODUCER) {
  std::array<char, 512> error{};
  ClientConf conf(rd_kafka_conf_new());
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), error.data(), error.size()) !=
        RD_KAFKA_CONF_OK) {
      throw std::runtime_error(error.data());
    }
  }
  Client client(rd_kafka_new(type, conf.release(), error.data(), error.size()));
  if (!client) {
    throw std::runtime_error(error.data());
  }
  return client;
}

void check(rd_kafka_resp_err_t error) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error(rd_kafka_err2str(error));
  }
}

void check(rd_kafka_error_t* error) {
  if (error != nullptr) {
    const KafkaError owned(error);
    throw std::runtime_error(rd_kafka_error_string(error));
  }
}

/// Runs one call of the admin interface and waits for its answer.
Event administrate(const Client& client, const std::function<void(rd_kafka_queue_t*)>& call) {
  const Queue queue(rd_kafka_queue_new(client.get()));
  call(queue.get());
  Event event(rd_kafka_queue_poll(queue.get(), kTimeout_ms), rd_kafka_event_destroy);
  if (!event) {
    throw std::runtime_error("the broker does not answer");
  }
  check(rd_kafka_event_error(event.get()));
  return event;
}

int partition_count(const Client& client, const std::string& topic) {
  const rd_kafka_metadata_t* metadata = nullptr;
  check(rd_kafka_metadata(client.get(), 1, nullptr, &metadata, kTimeout_ms));
  int count = 0;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic& each = metadata->topics[i];
    if (each.topic == topic) {
      for (int p = 0; p < each.partition_cnt; ++p) {
        count += each.partitions[p].leader >= 0 ? 1 : 0;
      }
    }
  }
  rd_kafka_metadata_destroy(metadata);
  return count;
}

}  // namespace

std::string broker_address() {
  const char* address = std::getenv("SEALSTREAM_TEST_KAFKA");
  if (address == nullptr) {
    throw std::runtime_error("SEALSTREAM_TEST_KAFKA is not set: run under deploy/servers.py run --kafka");
  }
  return address;
}

std::string fresh_name(const std::string& stem) {
  static std::atomic<int> count = 0;
  return stem + "-" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

std::string make_topic(int partitions, const Settings& settings, const std::string& broker) {
  const std::string topic = fresh_name("audit.events");
  make_topic_named(topic, partitions, settings, broker);
  return topic;
}

void make_topic_named(const std::string& topic, int partitions, const Settings& settings,
                      const std::string& broker) {
  const Client client = make_client({{"bootstrap.servers", broker}});
  std::array<char, 512> error{};
  rd_kafka_NewTopic_t* asked =
      rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, error.data(), error.size());
  for (const auto& [name, value] : settings) {
    rd_kafka_NewTopic_set_config(asked, name.c_str(), value.c_str());
  }
  administrate(client, [&](rd_kafka_queue_t* queue) {
    rd_kafka_CreateTopics(client.get(), &asked, 1, nullptr, queue);
  });
  rd_kafka_NewTopic_destroy(asked);
  if (!eventually([&] { return partition_count(client, topic) == partitions; })) {
    throw std::runtime_error("the topic was not made");
  }
}

void delete_topic(const std::string& topic) {
  const Client client = make_client({{"bootstrap.servers", broker_address()}});
  rd_kafka_DeleteTopic_t* asked = rd_kafka_DeleteTopic_new(topic.c_str());
  administrate(client, [&](rd_kafka_queue_t* queue) {
    rd_kafka_DeleteTopics(client.get(), &asked, 1, nullptr, queue);
  });
  rd_kafka_DeleteTopic_destroy(asked);
}

void make_again(const std::string& topic, int partitions) {
  delete_topic(topic);
  const Client client = make_client({{"bootstrap.servers", broker_address()}});
  if (!eventually([&] { return partition_count(client, topic) <= 0; })) {
    throw std::runtime_error("the topic was not deleted");
  }
  make_topic_named(topic, partitions, {{"message.timestamp.type", "LogAppendTime"}});
}

void delete_records(const PartitionId& id, Offset offset) {
  const Client client = make_client({{"bootstrap.servers", broker_address()}});
  const std::pair<PartitionId, Offset> before{id, offset};
  rd_kafka_DeleteRecords_t* asked = rd_kafka_DeleteRecords_new(partition_list({&before, 1}).get());
  const Event event = administrate(client, [&](rd_kafka_queue_t* queue) {
    rd_kafka_DeleteRecords(client.get(), &asked, 1, nullptr, queue);
  });
  rd_kafka_DeleteRecords_destroy(asked);
  check(
      rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event.get()))->elems[0].err);
}

void add_partitions(const std::string& topic, int partitions) {
  const Client client = make_client({{"bootstrap.servers", broker_address()}});
  std::array<char, 512> error{};
  rd_kafka_NewPartitions_t* asked = rd_kafka_NewPartitions_new(
      topic.c_str(), static_cast<std::size_t>(partitions), error.data(), error.size());
  administrate(client, [&](rd_kafka_queue_t* queue) {
    rd_kafka_CreatePartitions(client.get(), &asked, 1, nullptr, queue);
  });
  rd_kafka_NewPartitions_destroy(asked);
}

std::int64_t committed_offset(const std::string& group, const PartitionId& id) {
  const Client client =
      make_client({{"bootstrap.servers", broker_address()}, {"group.id", group}}, RD_KAFKA_CONSUMER);
  const PartitionList list = partition_list({&id, 1}, RD_KAFKA_OFFSET_INVALID);
  check(rd_kafka_committed(client.get(), list.get(), kTimeout_ms));
  return list->elems[0].offset;
}

bool eventually(const std::function<bool()>& condition, milliseconds deadline) {
  const Clock::time_point end = Clock::now() + deadline;
  while (!condition()) {
    if (Clock::now() > end) {
      return false;
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

Producer::Producer(const std::string& broker, const std::string& transactional_id) {
  Settings settings = {{"bootstrap.servers", broker},
                       {"enable.idempotence", "true"},
                       {"queue.buffering.max.messages", "1000000"},
                       {"linger.ms", "2"}};
  if (!transactional_id.empty()) {
    settings["transactional.id"] = transactional_id;
  }
  client_ = make_client(settings);
  if (!transactional_id.empty()) {
    check(rd_kafka_init_transactions(client_.get(), kTimeout_ms));
  }
}

void Producer::send(const PartitionId& id, const Message& message) {
  rd_kafka_headers_t* headers = rd_kafka_headers_new(message.headers.size());
  for (const auto& [name, value] : message.headers) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()),
                        value ? value->data() : nullptr, value ? static_cast<ssize_t>(value->size()) : 0);
  }
  std::vector<rd_kafka_vu_t> fields(7);
  fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[0].u.cstr = id.topic.c_str();
  fields[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  fields[1].u.i32 = id.partition.value();
  fields[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[2].u.i = RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK;
  fields[3].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
  fields[3].u.i64 = message.timestamp_ms;
  fields[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  fields[4].u.headers = headers;
  fields[5].vtype = RD_KAFKA_VTYPE_KEY;
  fields[5].u.mem = {message.key ? const_cast<char*>(message.key->data()) : nullptr,
                     message.key ? message.key->size() : 0};
  fields[6].vtype = RD_KAFKA_VTYPE_VALUE;
  fields[6].u.mem = {message.value ? const_cast<char*>(message.value->data()) : nullptr,
                     message.value ? message.value->size() : 0};
  check(rd_kafka_produceva(client_.get(), fields.data(), fields.size()));
}

void Producer::send(const PartitionId& id, const std::string& value) {
  send(id, Message{"key", value, {}, 0});
}

void Producer::send_numbers(const PartitionId& id, int count, int first, std::size_t size) {
  for (int i = first; i < first + count; ++i) {
    std::string value = std::to_string(i);
    value.resize(std::max(size, value.size()), ' ');
    send(id, value);
  }
}

void Producer::flush() { check(rd_kafka_flush(client_.get(), kTimeout_ms)); }

void Producer::begin() { check(rd_kafka_begin_transaction(client_.get())); }
void Producer::commit() { check(rd_kafka_commit_transaction(client_.get(), kTimeout_ms)); }
void Producer::abort() { check(rd_kafka_abort_transaction(client_.get(), kTimeout_ms)); }

}  // namespace sealstream::test
