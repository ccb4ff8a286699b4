#include "kafka/options.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>

#include "kafka/handle.h"

namespace sealstream {

bool is_topic_name(std::string_view name) {
  constexpr std::size_t kLongest = 249;
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= kLongest && name != "." && name != ".." &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

const std::vector<std::string>& refused_properties() {
  static const std::vector<std::string> names = {
      "allow.auto.create.topics",
      "api.version.fallback.ms",
      "api.version.request",
      "auto.commit.enable",
      "auto.offset.reset",
      "bootstrap.servers",
      "broker.version.fallback",
      "check.crcs",
      "client.rack",
      "enable.auto.commit",
      "enable.auto.offset.store",
      "enable.partition.eof",
      "group.id",
      "group.instance.id",
      "group.protocol",
      "group.protocol.type",
      "heartbeat.interval.ms",
      "isolation.level",
      "metadata.broker.list",
      "offset.store.method",
      "offset.store.path",
      "partition.assignment.strategy",
      "session.timeout.ms",
  };
  return names;
}

std::optional<std::string> property_problem(const std::string& name, const std::string& value) {
  const std::vector<std::string>& refused = refused_properties();
  if (std::binary_search(refused.begin(), refused.end(), name)) {
    return name + " cannot be passed on: exactly-once delivery depends on the value that sealstream sets.";
  }
  ClientConf conf(rd_kafka_conf_new());
  std::array<char, 512> error{};
  if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), error.data(), error.size()) ==
      RD_KAFKA_CONF_OK) {
    return std::nullopt;
  }
  return std::string("librdkafka ") + rd_kafka_version_str() + " does not take it: " + error.data();
}

}  // namespace sealstream
