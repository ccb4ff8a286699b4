// anomalies list, show and resolve: what the rules over API keys found, as audit_operator. Resolving is an
// event.
#include <algorithm>
#include <ostream>

#include "app/admin_event.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/connections.h"
#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "app/moment.h"
#include "postgres/anomalies.h"

namespace sealstream {
namespace {

void check_id(const std::string& id) {
  constexpr std::string_view kShape = "00000000-0000-0000-0000-000000000000";
  const bool fits = std::equal(id.begin(), id.end(), kShape.begin(), kShape.end(), [](char c, char shape) {
    return shape == '-' ? c == '-' : std::isxdigit(static_cast<unsigned char>(c)) != 0;
  });
  if (!fits) throw UsageError("an anomaly's id is a UUID, as sealstream anomalies list prints it");
}

void write_optional(JsonWriter& json, std::string_view name, const std::optional<std::string>& text) {
  json.key(name);
  text ? json.value(*text) : json.null();
}

std::string anomaly_json(const Anomaly& anomaly) {
  JsonWriter json;
  json.begin_object().member("anomaly_id", anomaly.id).member("tenant_id", anomaly.tenant);
  json.member("anomaly_type", anomaly.type).member("severity", anomaly.severity);
  json.member("subject", anomaly.subject);
  write_optional(json, "key_id", anomaly.key_id);
  write_optional(json, "key_prefix", anomaly.key_prefix);
  write_optional(json, "user_id", anomaly.user_id);
  write_optional(json, "ip_address", anomaly.ip_address);
  json.member("window_start", moment_text(anomaly.window_start));
  json.member("window_end", moment_text(anomaly.window_end));
  json.member("request_count", anomaly.request_count).member("error_count", anomaly.error_count);
  json.member("error_rate", anomaly.error_rate_permille).member("unique_ips", anomaly.unique_ips);
  json.key("details").raw(anomaly.details).member("judged_seq", anomaly.judged_seq.value());
  json.member("resolved", anomaly.resolved);
  write_optional(json, "resolved_at",
                 anomaly.resolved_at ? std::optional(moment_text(*anomaly.resolved_at)) : std::nullopt);
  write_optional(json, "resolved_by", anomaly.resolved_by);
  return json.end_object().text() + "\n";
}

/// The subject's kind and, where it is there, its name.
std::string subject_text(const Anomaly& anomaly) {
  for (const auto* named : {&anomaly.key_id, &anomaly.key_prefix, &anomaly.user_id, &anomaly.ip_address}) {
    if (*named) return anomaly.subject + " " + printable(**named);
  }
  return anomaly.subject;
}

std::string line_text(const Anomaly& anomaly) {
  return anomaly.id + "  " + moment_text(anomaly.window_start) + "  " + printable(anomaly.tenant) + "  " +
         anomaly.severity + "  " + anomaly.type + "  " + subject_text(anomaly) +
         (anomaly.resolved ? "  resolved\n" : "\n");
}

std::string anomaly_text(const Anomaly& anomaly) {
  const auto permille = anomaly.error_rate_permille;
  std::string text = "anomaly         " + anomaly.id + "\n";
  text += "tenant          " + printable(anomaly.tenant) + "\n";
  text += "type            " + anomaly.type + ", " + anomaly.severity + "\n";
  text += "subject         " + subject_text(anomaly) + "\n";
  text += "window          " + moment_text(anomaly.window_start) + " to " + moment_text(anomaly.window_end) +
          "\n";
  text += "requests        " + std::to_string(anomaly.request_count) + ", errors " +
          std::to_string(anomaly.error_count) + " (" + std::to_string(permille) + " of 1000), addresses " +
          std::to_string(anomaly.unique_ips) + "\n";
  text += "details         " + printable(anomaly.details) + "\n";
  text += "judged by seq   " + std::to_string(anomaly.judged_seq.value()) + "\n";
  if (!anomaly.resolved) return text + "resolved        no\n";
  return text + "resolved        " + (anomaly.resolved_at ? moment_text(*anomaly.resolved_at) : "yes") +
         " by " + printable(anomaly.resolved_by.value_or("whom an erasure took out")) + "\n";
}

int complain_absent(const std::string& id, const Terminal& terminal) {
  terminal.err << "there is no anomaly " << id << "\n";
  return kExitNo;
}

std::string resolve_json(const Anomaly& anomaly, const std::string& topic, const std::string& event,
                         bool executed) {
  JsonWriter json;
  json.begin_object().member("anomaly_id", anomaly.id).member("executed", executed);
  json.member("resolved", anomaly.resolved).member("topic", topic).key("event");
  event.empty() ? json.null() : json.raw(event);
  return json.end_object().text() + "\n";
}

/// Publishes the event and waits until `anomaly` is resolved.
int resolve(const Config& config, const AdminEvent& event, const PublishRequest& request,
            Connection& connection, Anomaly& anomaly, const Terminal& terminal) {
  const std::string place = place_text(publish(config, event));
  terminal.err << "published as " << place << ", waiting for the ingester\n";
  const bool done = await(request.wait_ms, [&] {
    anomaly = show_anomaly(connection, anomaly.id).value_or(anomaly);
    return anomaly.resolved;
  });
  if (request.json) {
    terminal.out << resolve_json(anomaly, event_topic(config), event_json(event), true);
  } else if (done) {
    terminal.out << "resolved: " << anomaly.id << " by event " << event.id << "\n";
  }
  if (done) return kExitOk;
  terminal.err << "event " << event.id << " is published, but not applied after " << request.wait_ms
               << " ms: does sealstream run? It applies the event when it reads it\n";
  return kExitNo;
}

}  // namespace

int anomalies_list_command(const Config& config, const AnomaliesListRequest& request,
                           const Terminal& terminal) {
  Connection connection = as_operator(config);
  const std::vector<Anomaly> anomalies = list_anomalies(connection, {.tenant = request.tenant,
                                                                     .type = request.type,
                                                                     .severity = request.severity,
                                                                     .resolved = request.resolved,
                                                                     .limit = request.limit});
  for (const Anomaly& anomaly : anomalies) {
    terminal.out << (request.json ? anomaly_json(anomaly) : line_text(anomaly));
  }
  if (anomalies.empty()) terminal.err << "there is no anomaly that fits\n";
  if (std::ssize(anomalies) == request.limit)
    terminal.err << "there may be more: --limit is " << request.limit << "\n";
  return kExitOk;
}

int anomalies_show_command(const Config& config, const std::string& id, bool json, const Terminal& terminal) {
  check_id(id);
  Connection connection = as_operator(config);
  const std::optional<Anomaly> anomaly = show_anomaly(connection, id);
  if (!anomaly) return complain_absent(id, terminal);
  terminal.out << (json ? anomaly_json(*anomaly) : anomaly_text(*anomaly));
  return kExitOk;
}

int anomalies_resolve_command(const Config& config, const std::string& id, const PublishRequest& request,
                              const Terminal& terminal) {
  check_id(id);
  Connection connection = as_operator(config);
  std::optional<Anomaly> anomaly = show_anomaly(connection, id);
  if (!anomaly) return complain_absent(id, terminal);
  const std::string& topic = event_topic(config);
  if (anomaly->resolved) {
    terminal.err << "it is resolved already; nothing was published\n";
    if (request.json) terminal.out << resolve_json(*anomaly, topic, "", false);
    return kExitOk;
  }
  AdminEvent event = new_admin_event(request, anomaly->tenant, "resolve");
  event.resource_type = "api_key_anomaly";
  event.resource_id = anomaly->id;
  const std::string written = event_json(event);
  if (request.execute) return resolve(config, event, request, connection, *anomaly, terminal);
  if (request.json) {
    terminal.out << resolve_json(*anomaly, topic, written, false);
  } else {
    terminal.out << "would be published to " << topic << ": " << written << "\n";
  }
  terminal.err << "Nothing was done. With --execute it is.\n";
  return kExitOk;
}

}  // namespace sealstream
