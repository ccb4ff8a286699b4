// What a command did, as the event that it publishes: only the ingester appends to a chain, and only from
// Kafka.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/config.h"
#include "kafka/publisher.h"
#include "sealstream/core/erasure.h"
#include "sealstream/core/ids.h"

namespace sealstream {

/// An event of family admin from the source `sealstream`.
struct AdminEvent {
  std::string id;  ///< minted once, before it is first sent
  Timestamp time;
  std::string tenant;
  std::string action;
  std::string actor;  ///< the person who asked for it
  std::string reason;
  std::string resource_type;
  std::string resource_id;            ///< empty: none
  std::vector<SeqRange> erased_seqs;  ///< of the action erase
  std::string before, after;          ///< JSON; empty: none
  std::optional<std::int64_t> rows;
};

/// An event of now with an id of its own (a UUID, version 7).
AdminEvent new_admin_event(const PublishRequest& request, const std::string& tenant,
                           const std::string& action);

/// The structured CloudEvent. Throws UsageError where the ingester would refuse it, with what is wrong.
std::string event_json(const AdminEvent& event);

/// Where such events go: the first topic of the configuration.
const std::string& event_topic(const Config& config);

/// Returns once the brokers have it. Throws SourceError where they did not acknowledge it.
PublishedRecord publish(const Config& config, const AdminEvent& event);

std::string place_text(const PublishedRecord& place);

/// Asks again and again until `there` is true or `wait_ms` passed; says which. Asks at least once.
bool await(int wait_ms, const std::function<bool()>& there);

}  // namespace sealstream
