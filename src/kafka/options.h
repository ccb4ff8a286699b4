// How Sealstream reads Kafka: its limits and what an operator may pass on to librdkafka.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sealstream {

using std::chrono::milliseconds;

struct KafkaOptions {
  /// Where to find the cluster: "host:port,host:port".
  std::string brokers;
  std::vector<std::string> topics;
  std::string group_id = "sealstream";
  /// Static membership: a restart within session_timeout keeps the partitions, and a stop leaves them unread
  /// for as long. Empty: dynamic, a stop hands them on at once.
  std::string group_instance_id;

  /// A member that was not heard of for this long loses its partitions.
  milliseconds session_timeout{10'000};
  milliseconds heartbeat_interval{1'000};  ///< others hear at one of theirs that a member left

  /// The fetcher stops when a lane's queue holds this many bytes of values ...
  std::size_t queue_bytes_per_lane = std::size_t{6} * 1024 * 1024;
  /// ... or this many records (each costs about 500 bytes beside its value). Both may be passed by one fetch.
  std::size_t queue_records_per_lane = 7'500;
  /// What one fetch asks of a partition; a broker sends a first batch that is larger all the same. Counts
  /// what is sent: where producers compress, it takes a multiple of that in memory.
  std::size_t fetch_bytes_per_partition = std::size_t{128} * 1024;
  /// ... and of all partitions of a broker. The answer's memory is held until the last of its records is
  /// gone, so that a lane that rests holds some of its neighbours' records too.
  std::size_t fetch_bytes = std::size_t{1024} * 1024;
  /// How long a broker may hold a fetch that finds nothing. A partition that was just assigned or sought
  /// waits at most this long for the fetch under way.
  milliseconds fetch_wait{100};

  /// Starts and ends of all assigned partitions, and whose logs they are, are asked of the broker at least
  /// this often; also when a lane has emptied the queue of a backlog, or has asked for an extent.
  milliseconds extent_interval{5'000};
  /// How long one such question may take. A consumer that goes waits for the one under way, and for the look
  /// at a witness.
  milliseconds extent_timeout{2'000};
  /// A log that seemed another one, since a clock went back, and still held its witness is looked at again
  /// after this.
  milliseconds witness_rest{60'000};
  /// A partition that lags, and of which an idle lane got nothing for this long, is forwarded again.
  milliseconds stall_after{10'000};
  /// How long librdkafka may take to acknowledge a seek.
  milliseconds seek_timeout{3'000};
  /// How long leaving the group may take; then the group waits for session_timeout instead.
  milliseconds leave_deadline{5'000};

  /// librdkafka's own properties, by its names, for TLS, SASL and tuning.
  std::map<std::string, std::string> properties;
};

/// Whether Kafka allows this as the name of a topic. What begins with ^ would be taken for a pattern.
bool is_topic_name(std::string_view name);

/// The properties that would break delivery, or that have an option of their own. Sorted.
const std::vector<std::string>& refused_properties();

/// A sentence that says why this cannot be passed on: refused, not known to the librdkafka in use, or a value
/// that it does not take. Nothing where it can.
std::optional<std::string> property_problem(const std::string& name, const std::string& value);

}  // namespace sealstream
