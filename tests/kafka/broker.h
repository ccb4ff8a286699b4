// The broker of the tests, and a producer: what the tests need of Kafka beside the code under test.
#pragma once

#include <librdkafka/rdkafka.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kafka/handle.h"
#include "sealstream/ingest/source.h"

namespace sealstream::test {

/// host:port from SEALSTREAM_TEST_KAFKA. Throws where it is not set: these tests need a real broker.
std::string broker_address();

/// A name that no other test uses.
std::string fresh_name(const std::string& stem);

using Settings = std::map<std::string, std::string>;

/// Makes a topic and waits until the broker lists it. Returns its name.
std::string make_topic(int partitions, const Settings& settings = {},
                       const std::string& broker = broker_address());

void make_topic_named(const std::string& topic, int partitions, const Settings& settings = {},
                      const std::string& broker = broker_address());

void delete_topic(const std::string& topic);

/// Deletes the topic and makes another one of its name, with the broker's time in its records.
void make_again(const std::string& topic, int partitions);

/// Everything below `offset` is gone from the broker afterwards.
void delete_records(const PartitionId& id, Offset offset);

void add_partitions(const std::string& topic, int partitions);

/// What the group has committed; negative where nothing.
std::int64_t committed_offset(const std::string& group, const PartitionId& id);

/// True before the deadline passes, or false then.
bool eventually(const std::function<bool()>& condition, milliseconds deadline = milliseconds(30'000));

struct Message {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::int64_t timestamp_ms = 0;  ///< 0: now
};

/// Sends in order; idempotent. With a transactional id it sends within transactions only.
class Producer {
 public:
  explicit Producer(const std::string& broker = broker_address(), const std::string& transactional_id = "");

  void send(const PartitionId& id, const Message& message);
  void send(const PartitionId& id, const std::string& value);
  /// `count` records whose values are their numbers, from `first` on, padded to `size` bytes.
  void send_numbers(const PartitionId& id, int count, int first = 0, std::size_t size = 0);
  /// Returns when the broker has acknowledged all.
  void flush();

  void begin();
  void commit();
  void abort();

 private:
  Client client_;
};

}  // namespace sealstream::test
