// status: what the database holds, as audit_auditor, and what the running instance says of itself.
#include <ostream>

#include "app/commands.h"
#include "app/connections.h"
#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "app/moment.h"
#include "http/client.h"
#include "postgres/migrations.h"
#include "postgres/readers.h"
#include "sealstream/core/json_text.h"
#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

constexpr std::chrono::milliseconds kInstanceTimeout{3'000};

/// What the instance at http.listen answers.
struct Instance {
  std::string address;
  std::optional<HttpAnswer> ready;
  std::optional<std::string> status;  ///< JSON, checked to be so
  bool ok() const { return ready && ready->code == 200; }
};

Instance ask_instance(const Endpoint& endpoint) {
  const bool any = endpoint.host == "0.0.0.0" || endpoint.host == "::";
  const std::string host = any ? "localhost" : endpoint.host;
  Instance instance{without_secrets(host) + ":" + std::to_string(endpoint.port),
                    http_get(host, endpoint.port, "/readyz", kInstanceTimeout), std::nullopt};
  if (!instance.ready) return instance;
  const auto answer = http_get(host, endpoint.port, "/v1/status", kInstanceTimeout);
  if (answer && answer->code == 200) instance.status = json_text(answer->body);
  return instance;
}

void write_partition(JsonWriter& json, const PartitionTotals& totals) {
  json.begin_object().member("topic", totals.id.topic);
  json.member("partition", std::int64_t{totals.id.partition.value()});
  json.member("log_epoch", totals.log_epoch.value()).member("first_offset", totals.first_offset.value());
  json.member("next_offset", totals.next_offset.value()).member("owner_epoch", totals.owner_epoch.value());
  json.member("owner", totals.owner)
      .member("accepted", totals.accepted)
      .member("duplicate", totals.duplicate);
  json.member("quarantined", totals.quarantined)
      .member("skipped", totals.skipped)
      .member("lost", totals.lost);
  json.member("log_unverified", totals.log_unverified).member("claimed_at", moment_text(totals.claimed_at));
  json.member("updated_at", moment_text(totals.updated_at)).end_object();
}

std::string to_json(const DatabaseStatus& status, const Instance& instance) {
  JsonWriter json;
  json.begin_object().key("database").begin_object();
  json.member("schema_version", status.schema_version).member("known_schema_version", known_schema_version());
  json.member("chains", status.chains)
      .member("events", status.events)
      .member("tombstones", status.tombstones);
  json.member("open_anomalies", status.open_anomalies)
      .member("open_windows", status.open_windows)
      .member("late_events", status.late_events);
  json.key("leaves").begin_array();
  for (const std::string& leaf : status.leaves) json.value(leaf);
  json.end_array().key("quarantine").begin_array();
  for (const QuarantineCount& count : status.quarantine) {
    json.begin_object().member("reason", count.reason).member("state", count.state);
    json.member("records", count.records).end_object();
  }
  json.end_array().end_object().key("partitions").begin_array();
  for (const PartitionTotals& totals : status.partitions) write_partition(json, totals);
  json.end_array().key("instance").begin_object().member("address", instance.address);
  json.member("answers", instance.ready.has_value()).member("ready", instance.ok()).key("status");
  instance.status ? json.raw(*instance.status) : json.null();
  return json.end_object().end_object().text() + "\n";
}

std::string to_text(const DatabaseStatus& status, const Instance& instance) {
  std::string text = "database   schema version " + std::to_string(status.schema_version) + " of " +
                     std::to_string(known_schema_version()) + ", " + std::to_string(status.chains) +
                     " chains, " + std::to_string(status.events) + " events, " +
                     std::to_string(status.tombstones) + " tombstones, " +
                     std::to_string(status.leaves.size()) + " leaves\n";
  text += "keys       " + std::to_string(status.open_anomalies) + " anomalies not resolved, " +
          std::to_string(status.open_windows) + " windows open, " + std::to_string(status.late_events) +
          " late events\n";
  for (const QuarantineCount& count : status.quarantine) {
    text += "quarantine " + printable(count.reason) + " " + count.state + ": " +
            std::to_string(count.records) + "\n";
  }
  for (const PartitionTotals& totals : status.partitions) {
    text += "partition  " + printable(totals.id.topic) + "/" + std::to_string(totals.id.partition.value()) +
            ": next offset " + std::to_string(totals.next_offset.value()) + ", accepted " +
            std::to_string(totals.accepted) + ", duplicate " + std::to_string(totals.duplicate) +
            ", quarantined " + std::to_string(totals.quarantined) + ", skipped " +
            std::to_string(totals.skipped) + ", lost " + std::to_string(totals.lost) + ", owner " +
            printable(totals.owner) + " (epoch " + std::to_string(totals.owner_epoch.value()) + ")\n";
  }
  text += "instance   " + instance.address + ": ";
  if (!instance.ready) return text + "nobody answers\n";
  if (instance.ok()) return text + "ready\n";
  return text + "not ready: " + json_text(instance.ready->body).value_or("it does not say why") + "\n";
}

}  // namespace

int status_command(const Config& config, bool json, const Terminal& terminal) {
  Connection connection(connection_options(config.postgres, config.postgres.auditor), [] {});
  const DatabaseStatus status = read_status(connection);
  const Instance instance = ask_instance(config.http);
  terminal.out << (json ? to_json(status, instance) : to_text(status, instance));
  return instance.ok() && status.schema_version == known_schema_version() ? kExitOk : kExitNo;
}

}  // namespace sealstream
