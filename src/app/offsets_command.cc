// offsets show, export and reset: where partitions stand, as audit_operator. Accepting a loss is an event.
#include <algorithm>
#include <charconv>
#include <ostream>

#include "app/admin_event.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/connections.h"
#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "app/log_state.h"
#include "core/hex.h"
#include "postgres/acceptance.h"

namespace sealstream {
namespace {

constexpr const char* kOwnTenant = "_sealstream";
constexpr std::size_t kMostResourceId = 128;  // bytes, as the contract of events has it

std::string name_of(const PartitionId& id) { return id.topic + "/" + std::to_string(id.partition.value()); }

PartitionId parse_partition(const std::string& text) {
  const std::size_t slash = text.rfind('/');
  std::int32_t number = -1;
  if (slash != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, number);
    if (error != std::errc{} || stop != end) number = -1;
  }
  if (number < 0 || slash == 0)
    throw UsageError("a partition is topic/partition, for example audit.events.v1/3");
  return {text.substr(0, slash), Partition(number)};
}

std::string hex(const SourceDigest& digest) {
  std::string text;
  append_hex(text, as_bytes(digest));
  return text;
}

std::vector<LogState> look(const Config& config, std::vector<PartitionTotals> partitions) {
  KafkaOptions kafka = kafka_options(config.kafka);
  kafka.topics.clear();
  for (const PartitionTotals& stored : partitions) {
    if (kafka.topics.empty() || kafka.topics.back() != stored.id.topic)
      kafka.topics.push_back(stored.id.topic);
  }
  return LogInspector(kafka, config.ingest.accept_create_time).look(std::move(partitions));
}

void write_position(JsonWriter& json, const PartitionTotals& stored) {
  json.member("topic", stored.id.topic).member("partition", stored.id.partition.value());
  json.member("log_epoch", stored.log_epoch.value()).member("next_offset", stored.next_offset.value());
}

void write_state(JsonWriter& json, const LogState& state) {
  json.begin_object();
  write_position(json, state.stored);
  json.key("log_start");
  state.log ? json.value(state.log->start.value()) : json.null();
  json.key("log_end");
  state.log ? json.value(state.log->end.value()) : json.null();
  json.member("answered", state.answered).key("halted");
  state.halted ? json.value(kHaltCauseNames[static_cast<std::size_t>(*state.halted)]) : json.null();
  json.key("loss");
  if (!state.loss) {
    json.null().end_object();
    return;
  }
  json.begin_object().member("records", state.loss->records);
  json.member("go_on_at", state.loss->go_on_at.value()).end_object().end_object();
}

std::string state_text(const LogState& state) {
  const PartitionTotals& stored = state.stored;
  std::string text = printable(name_of(stored.id)) + ": next offset " +
                     std::to_string(stored.next_offset.value()) + " of log epoch " +
                     std::to_string(stored.log_epoch.value());
  if (!state.log) return text + "; Kafka does not know the partition, or did not answer\n";
  text += "; the log holds " + std::to_string(state.log->start.value()) + " to " +
          std::to_string(state.log->end.value());
  if (!state.answered) return text + "; Kafka did not answer in time\n";
  if (!state.halted) return text + "\n";
  return text + "; halted\n  " + printable(halt_sentence(*state.halted, stored.id, stored.next_offset)) +
         "\n";
}

std::string loss_text(const LogState& state) {
  const PartitionTotals& stored = state.stored;
  std::string text = printable(name_of(stored.id)) + ": log epoch " +
                     std::to_string(stored.log_epoch.value()) + " ends at offset " +
                     std::to_string(stored.next_offset.value());
  text += *state.halted == HaltCause::not_same_log
              ? "; what that log held from there on is lost, if it held anything"
              : "; " + std::to_string(state.loss->records) + " records behind it are lost";
  return text + "; it goes on at offset " + std::to_string(state.loss->go_on_at.value()) + " of log epoch " +
         std::to_string(next(stored.log_epoch).value()) + "\n";
}

/// What is asked for, or a sentence why it cannot be done.
struct Wanted {
  std::vector<PartitionTotals> partitions;
  std::string problem;
};

Wanted find(Connection& connection, const std::vector<std::string>& names) {
  Wanted wanted;
  const std::vector<PartitionTotals> stored = read_partitions(connection);
  for (const std::string& name : names) {
    const PartitionId id = parse_partition(name);
    const auto found =
        std::find_if(stored.begin(), stored.end(), [&](const auto& of) { return of.id == id; });
    if (found != stored.end()) wanted.partitions.push_back(*found);
    if (found == stored.end()) wanted.problem = "PostgreSQL knows no position of " + printable(name);
  }
  std::sort(wanted.partitions.begin(), wanted.partitions.end(),
            [](const auto& one, const auto& other) { return one.id < other.id; });
  return wanted;
}

/// Why its loss cannot be accepted; empty where it can.
std::string problem_of(const LogState& state) {
  const std::string name = printable(name_of(state.stored.id));
  if (!state.answered) return "Kafka does not tell where " + name + " stands: nothing can be said of a loss";
  if (!state.halted)
    return name +
           " is not halted: nothing of it is lost (where an instance says that it is, start that one again)";
  if (!state.loss)
    return "nothing is lost: " + halt_sentence(*state.halted, state.stored.id, state.stored.next_offset);
  return "";
}

AdminEvent reset_event(const PublishRequest& request, const LogState& state) {
  AdminEvent event = new_admin_event(request, kOwnTenant, "reset");
  event.resource_type = "partition";
  if (const std::string name = name_of(state.stored.id); name.size() <= kMostResourceId)
    event.resource_id = name;
  JsonWriter before, after;
  before.begin_object();
  write_position(before, state.stored);
  before.member("halted", kHaltCauseNames[static_cast<std::size_t>(*state.halted)]).end_object();
  after.begin_object().member("log_epoch", next(state.stored.log_epoch).value());
  after.member("next_offset", state.loss->go_on_at.value()).end_object();
  event.before = before.text();
  event.after = after.text();
  event.rows = state.loss->records;
  return event;
}

/// One run of reset, from what is found to what was done.
class Resetting {
 public:
  Resetting(const Config& config, const PublishRequest& request, std::vector<LogState> states,
            const Terminal& terminal)
      : config_(config), request_(request), states_(std::move(states)), terminal_(terminal) {
    for (const LogState& state : states_) {
      events_.push_back(reset_event(request, state));
      (void)event_json(events_.back());
    }
  }

  /// False where a partition moved meanwhile, or an event was not sealed in time.
  bool execute(Connection& connection) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (accept(connection, states_[i], events_[i])) continue;
      terminal_.err << printable(name_of(states_[i].stored.id))
                    << " stands elsewhere by now: nothing was done to it\n";
      return false;
    }
    Connection auditor(connection_options(config_.postgres, config_.postgres.auditor), [] {});
    const auto sealed = [&](const AdminEvent& event) { return is_sealed(auditor, event.tenant, event.id); };
    const bool all =
        await(request_.wait_ms, [&] { return std::all_of(events_.begin(), events_.end(), sealed); });
    if (!all) {
      terminal_.err
          << "the partitions may go on; but after " << request_.wait_ms
          << " ms not every event is sealed: does sealstream run, and is the event's partition halted too?\n";
    }
    return all;
  }

  std::string text() const {
    std::string out;
    for (const LogState& state : states_) out += loss_text(state);
    return out;
  }

  std::string json() const {
    JsonWriter json;
    json.begin_object().member("executed", request_.execute).member("topic", event_topic(config_));
    json.key("partitions").begin_array();
    for (const LogState& state : states_) write_state(json, state);
    json.end_array().key("events").begin_array();
    for (const AdminEvent& event : events_) json.raw(event_json(event));
    return json.end_array().end_object().text() + "\n";
  }

 private:
  bool accept(Connection& connection, const LogState& state, const AdminEvent& event) {
    const Acceptance acceptance{.id = state.stored.id,
                                .log_epoch = state.stored.log_epoch,
                                .next_offset = state.stored.next_offset,
                                .lost = state.loss->records,
                                .go_on_at = state.loss->go_on_at,
                                .reason = event.reason,
                                .event_id = event.id};
    return accept_loss(connection, acceptance,
                       [&] {
                         terminal_.err << "event " << event.id << " is published as "
                                       << place_text(publish(config_, event)) << "\n";
                       })
        .has_value();
  }

  const Config& config_;
  const PublishRequest& request_;
  const std::vector<LogState> states_;
  const Terminal& terminal_;
  std::vector<AdminEvent> events_;
};

}  // namespace

int offsets_show_command(const Config& config, bool json, const Terminal& terminal) {
  Connection connection = as_operator(config);
  const std::vector<LogState> states = look(config, read_partitions(connection));
  if (json) {
    JsonWriter written;
    written.begin_object().key("partitions").begin_array();
    for (const LogState& state : states) write_state(written, state);
    terminal.out << written.end_array().end_object().text() << "\n";
  } else {
    for (const LogState& state : states) terminal.out << state_text(state);
  }
  const bool well = std::all_of(states.begin(), states.end(),
                                [](const LogState& state) { return state.answered && !state.halted; });
  return well ? kExitOk : kExitNo;
}

int offsets_export_command(const Config& config, const Terminal& terminal) {
  Connection connection = as_operator(config);
  JsonWriter json;
  json.begin_object().key("partitions").begin_array();
  for (const PartitionTotals& stored : read_partitions(connection)) {
    json.begin_object();
    write_position(json, stored);
    json.key("last_offset");
    stored.last ? json.value(stored.last->offset.value()) : json.null();
    json.key("last_digest");
    stored.last ? json.value(hex(stored.last->digest)) : json.null();
    json.end_object();
  }
  terminal.out << json.end_array().end_object().text() << "\n";
  return kExitOk;
}

int offsets_reset_command(const Config& config, const OffsetsResetRequest& request,
                          const Terminal& terminal) {
  Connection connection = as_operator(config);
  Wanted wanted = find(connection, request.partitions);
  std::vector<LogState> states =
      wanted.problem.empty() ? look(config, std::move(wanted.partitions)) : std::vector<LogState>{};
  for (const LogState& state : states) {
    if (wanted.problem.empty()) wanted.problem = problem_of(state);
  }
  if (!wanted.problem.empty()) {
    terminal.err << wanted.problem << "\n";
    return kExitNo;
  }
  Resetting resetting(config, request.publish, std::move(states), terminal);
  if (!request.publish.json) terminal.out << resetting.text() << std::flush;
  const bool done = !request.publish.execute || resetting.execute(connection);
  if (request.publish.json) terminal.out << resetting.json();
  if (!request.publish.execute) terminal.err << "Nothing was done. With --execute it is.\n";
  return done ? kExitOk : kExitNo;
}

}  // namespace sealstream
