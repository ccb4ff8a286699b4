#include "app/health.h"

#include <algorithm>

#include "app/json_writer.h"

namespace sealstream {
namespace {

using Clock = std::chrono::steady_clock;

HealthCheck heartbeat(std::string name, Clock::time_point last, Clock::time_point now,
                      Clock::time_point started) {
  const auto age = now - std::max(last, started);
  if (age < kHeartbeatLimit) return {std::move(name), true, ""};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
  return {std::move(name), false, "no heartbeat for " + std::to_string(seconds) + " s"};
}

}  // namespace

bool Health::ok() const {
  return std::ranges::all_of(checks, [](const HealthCheck& check) { return check.ok; });
}

Health liveness(const IngesterStatus& status, Clock::time_point now, Clock::time_point started) {
  Health health;
  health.checks.push_back(heartbeat("group", status.group_heartbeat, now, started));
  for (const LaneStatus& lane : status.lanes) {
    health.checks.push_back(heartbeat("lane_" + std::to_string(lane.lane), lane.heartbeat, now, started));
  }
  return health;
}

Health readiness(const IngesterStatus& status) {
  Health health;
  health.checks.push_back(
      {"group", status.joined, status.joined ? "" : "the consumer group has not answered yet"});
  HealthCheck database{"database", status.database_ok, status.database_ok ? "" : status.database_sentence};
  for (const LaneStatus& lane : status.lanes) {
    if (!database.ok || lane.database_ok) continue;
    database.ok = false;
    database.why = "lane " + std::to_string(lane.lane) + ": " + lane.database_sentence;
  }
  health.checks.push_back(std::move(database));
  health.checks.push_back(
      {"accepting", !status.draining, status.draining ? "draining: no more records are taken" : ""});
  return health;
}

std::string to_json(const Health& health) {
  JsonWriter json;
  json.begin_object().member("ok", health.ok()).key("checks").begin_object();
  for (const HealthCheck& check : health.checks) {
    json.key(check.name).begin_object().member("ok", check.ok);
    if (!check.ok) json.member("why", check.why);
    json.end_object();
  }
  return json.end_object().end_object().text() + "\n";
}

}  // namespace sealstream
