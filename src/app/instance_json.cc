#include "app/instance_json.h"

#include <algorithm>

#include "app/health.h"
#include "app/json_writer.h"
#include "app/moment.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t milliseconds_since(Clock::time_point then, Clock::time_point now) {
  return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(now - then).count());
}

void write_lane(JsonWriter& json, const LaneStatus& lane, const ProcessFacts& facts, Clock::time_point now) {
  json.begin_object().member("lane", lane.lane);
  json.member("heartbeat_age_ms", milliseconds_since(std::max(lane.heartbeat, facts.started), now));
  json.member("database_ok", lane.database_ok);
  if (!lane.database_ok) json.member("database", lane.database_sentence);
  json.end_object();
}

void write_partition(JsonWriter& json, const PartitionStatus& partition) {
  json.begin_object().member("topic", partition.id.topic);
  json.member("partition", std::int64_t{partition.id.partition.value()});
  json.member("state", kPartitionStateNames[static_cast<std::size_t>(partition.state)]);
  if (partition.state != PartitionState::claiming) {
    json.member("log_epoch", partition.log_epoch.value())
        .member("owner_epoch", partition.owner_epoch.value());
    json.member("next_offset", partition.next_offset.value()).member("lane", partition.lane);
  }
  if (!partition.halt_sentence.empty()) json.member("halted", partition.halt_sentence);
  json.end_object();
}

}  // namespace

std::string status_json(const IngesterStatus& status, const ProcessFacts& facts, Clock::time_point now) {
  JsonWriter json;
  json.begin_object().member("version", facts.version).member("owner", facts.owner);
  json.member("started_at",
              moment_text(std::chrono::time_point_cast<std::chrono::milliseconds>(facts.started_at)));
  json.member("live", liveness(status, now, facts.started).ok()).member("ready", readiness(status).ok());
  json.member("draining", status.draining).member("joined", status.joined);
  json.member("database_ok", status.database_ok);
  if (!status.database_ok) json.member("database", status.database_sentence);
  json.key("lanes").begin_array();
  for (const LaneStatus& lane : status.lanes) write_lane(json, lane, facts, now);
  json.end_array().key("partitions").begin_object();
  for (std::size_t state = 0; state < kPartitionStateNames.size(); ++state) {
    json.member(kPartitionStateNames[state], static_cast<std::int64_t>(std::ranges::count_if(
                                                 status.partitions, [&](const PartitionStatus& p) {
                                                   return static_cast<std::size_t>(p.state) == state;
                                                 })));
  }
  return json.end_object().end_object().text() + "\n";
}

std::string partitions_json(const IngesterStatus& status) {
  std::vector<PartitionStatus> partitions = status.partitions;
  std::ranges::sort(partitions, {}, &PartitionStatus::id);
  JsonWriter json;
  json.begin_object().key("partitions").begin_array();
  for (const PartitionStatus& partition : partitions) write_partition(json, partition);
  return json.end_array().end_object().text() + "\n";
}

}  // namespace sealstream
