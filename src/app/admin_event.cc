#include "app/admin_event.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <random>
#include <span>
#include <thread>

#include "app/command_line.h"
#include "app/connections.h"
#include "app/json_writer.h"
#include "app/moment.h"
#include "sealstream/core/event.h"

namespace sealstream {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPublishTimeout{30'000};
constexpr milliseconds kBetweenAnswers{100};

/// RFC 9562, version 7: milliseconds since 1970, then randomness.
std::string mint_id(Timestamp now) {
  std::random_device random;
  std::array<std::uint8_t, 16> bytes{};
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  const auto since_1970 = std::chrono::floor<milliseconds>(now).time_since_epoch().count();
  for (int i = 0; i < 6; ++i)
    bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(since_1970 >> (40 - 8 * i));
  bytes[6] = static_cast<std::uint8_t>(0x70 | (bytes[6] & 0x0F));
  bytes[8] = static_cast<std::uint8_t>(0x80 | (bytes[8] & 0x3F));
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 0x0F];
  }
  return text;
}

std::string login_name() {
  const passwd* user = getpwuid(geteuid());
  return user != nullptr ? user->pw_name : "uid-" + std::to_string(geteuid());
}

std::string written(const AdminEvent& event) {
  JsonWriter json;
  json.begin_object().member("specversion", "1.0").member("id", event.id).member("source", "sealstream");
  json.member("type", "audit.admin." + event.action + ".v1").member("time", moment_text(event.time));
  json.member("tenantid", event.tenant).key("data").begin_object();
  json.key("actor").begin_object().member("type", "user").member("id", event.actor).end_object();
  json.key("resource").begin_object().member("type", event.resource_type);
  if (!event.resource_id.empty()) json.member("id", event.resource_id);
  json.end_object().member("status", "success");
  if (!event.reason.empty()) json.member("reason", event.reason);
  if (!event.before.empty()) json.key("before").raw(event.before);
  if (!event.after.empty()) json.key("after").raw(event.after);
  if (event.rows) json.member("rows", *event.rows);
  if (event.action == "erase") {
    json.key("erased_seqs").begin_array();
    for (const SeqRange range : event.erased_seqs) {
      json.begin_array().value(range.from.value()).value(range.to.value()).end_array();
    }
    json.end_array();
  }
  return json.end_object().end_object().text();
}

}  // namespace

AdminEvent new_admin_event(const PublishRequest& request, const std::string& tenant,
                           const std::string& action) {
  AdminEvent event;
  event.time = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  event.id = mint_id(event.time);
  event.tenant = tenant;
  event.action = action;
  event.actor = request.by.empty() ? login_name() : request.by;
  event.reason = request.reason;
  return event;
}

std::string event_json(const AdminEvent& event) {
  std::string value = written(event);
  Record record{};
  record.timestamp = event.time;
  record.key = event.tenant;
  record.value = value;
  Decoder decoder;
  const Result<Event> decoded = decoder.decode(record);
  if (!decoded.ok()) {
    const Refusal& refusal = decoded.refusal();
    throw UsageError("the event would be refused: " + refusal.member_path + ": " + refusal.message);
  }
  return value;
}

const std::string& event_topic(const Config& config) { return config.kafka.topics.front(); }

PublishedRecord publish(const Config& config, const AdminEvent& event) {
  Publisher publisher(kafka_options(config.kafka), kPublishTimeout);
  return publisher.publish({event_topic(config),
                            event.tenant,
                            event_json(event),
                            {{"content-type", "application/cloudevents+json"}}});
}

std::string place_text(const PublishedRecord& place) {
  return place.id.topic + "/" + std::to_string(place.id.partition.value()) + "/" +
         std::to_string(place.offset.value());
}

bool await(int wait_ms, const std::function<bool()>& there) {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(wait_ms);
  while (!there()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kBetweenAnswers);
  }
  return true;
}

}  // namespace sealstream
