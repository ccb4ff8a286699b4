// erase: takes a person's or an event's personal values away. First the chain says so, then it is done.
#include <algorithm>
#include <ostream>

#include "app/admin_event.h"
#include "app/command_line.h"
#include "app/commands.h"
#include "app/connections.h"
#include "app/erase_plan.h"
#include "app/exit_codes.h"
#include "app/json_writer.h"
#include "app/moment.h"
#include "postgres/eraser.h"

namespace sealstream {
namespace {

constexpr const char* kTables =
    "ledger, usage_records, api_keys, api_key_activity, api_key_seen, api_key_attempts, api_key_anomalies, "
    "quarantine";

void check(const EraseRequest& request) {
  if (request.tenant.empty()) throw UsageError("--tenant is missing");
  if (request.user.empty() == request.event_id.empty()) throw UsageError("name either --user or --event");
  if (!is_utf8(request.tenant + request.user + request.event_id)) throw UsageError("the names are not UTF-8");
  if (!request.user.empty() && request.publish.by == request.user)
    throw UsageError("--by is the user to be erased: the event that says so would name them again");
}

struct PublishedErasure {
  std::string event_id;  ///< empty: it was in the chain already
  std::optional<Seq> seq;
  std::int64_t rows = 0;
};

/// One run of the command, from what is found to what was done.
class Erasing {
 public:
  Erasing(const Config& config, const EraseRequest& request, const Terminal& terminal)
      : config_(config),
        request_(request),
        terminal_(terminal),
        eraser_(connection_options(config.postgres, config.postgres.eraser)),
        needles_(written_forms(subject())) {}

  void find() {
    ErasedRows named;
    for (const ErasureEvent& event : eraser_.erasures(request_.tenant)) {
      for (const SeqRange range : event.erased) named.add(range, event.seq);
    }
    found_ = eraser_.rows({request_.tenant, request_.user, request_.event_id});
    for (const PersonalRows& rows : found_) seqs_.push_back(rows.seqs);
    refused_ = eraser_.refused(request_.tenant, needles_);
    plan_ = plan_erasure(seqs_, named);
    // Refused records are no rows of the chain, but that they were emptied is said there all the same.
    if (found_.empty() && refused_ > 0) plan_.fresh.emplace_back();
  }

  bool nothing() const { return found_.empty() && refused_ == 0; }

  /// False where an event that was published did not arrive.
  bool execute() {
    for (const auto& [event, rows] : plan_.named) erase({"", event, 0}, rows);
    for (const std::vector<SeqRange>& rows : plan_.fresh) {
      const AdminEvent event = erasure_event(rows);
      terminal_.err << "event " << event.id << " is published as " << place_text(publish(config_, event))
                    << ", waiting for its row\n";
      PublishedErasure published{event.id, std::nullopt, 0};
      await(request_.publish.wait_ms, [&] {
        published.seq = eraser_.find(request_.tenant, event.id);
        return published.seq.has_value();
      });
      if (!published.seq) {
        done_.push_back(published);
        terminal_.err
            << "its row did not arrive within " << request_.publish.wait_ms
            << " ms: does sealstream run? Run the same command again once the row is there: what the "
               "event names is then erased without another\n";
        return false;
      }
      erase(std::move(published), rows);
    }
    return true;
  }

  std::string text() const {
    std::string out = "personal values  in " + std::to_string(count_rows(seqs_)) + " rows of tenant " +
                      json_string(request_.tenant) + " for " + (request_.user.empty() ? "event " : "user ") +
                      json_string(subject());
    if (!found_.empty()) out += ", from " + earliest() + " to " + latest();
    out += "\nnamed already    " + std::to_string(count_named()) + " of them, by an erasure in the chain\n";
    out += "refused records  " + std::to_string(refused_) + " that hold the id\n";
    out += "to publish       " + std::to_string(plan_.fresh.size()) + " to " + event_topic(config_) + "\n";
    return out + "to erase in      " + kTables + "\n";
  }

  std::string done_text() const {
    std::string out;
    for (const PublishedErasure& erasure : done_) {
      if (erasure.seq)
        out += "erased           " + std::to_string(erasure.rows) + " rows by seq " +
               std::to_string(erasure.seq->value()) + "\n";
    }
    return out + "emptied          " + std::to_string(emptied_) + " refused records\n";
  }

  std::string json() const {
    JsonWriter json;
    json.begin_object().member("tenant", request_.tenant);
    json.member(request_.user.empty() ? "event" : "user", subject()).member("rows", count_rows(seqs_));
    json.key("first_time");
    found_.empty() ? json.null() : json.value(earliest());
    json.key("last_time");
    found_.empty() ? json.null() : json.value(latest());
    json.member("named_rows", count_named()).member("refused", refused_);
    json.member("events_to_publish", plan_.fresh.size()).member("topic", event_topic(config_));
    json.member("executed", request_.publish.execute).key("erasures").begin_array();
    for (const PublishedErasure& erasure : done_) {
      json.begin_object().key("event_id");
      erasure.event_id.empty() ? json.null() : json.value(erasure.event_id);
      json.key("seq");
      erasure.seq ? json.value(erasure.seq->value()) : json.null();
      json.member("rows", erasure.rows).end_object();
    }
    return json.end_array().member("refused_emptied", emptied_).end_object().text() + "\n";
  }

  /// Throws UsageError where the event would be refused.
  void check_event() const { (void)event_json(erasure_event({})); }

 private:
  const std::string& subject() const { return request_.user.empty() ? request_.event_id : request_.user; }

  AdminEvent erasure_event(const std::vector<SeqRange>& rows) const {
    AdminEvent event = new_admin_event(request_.publish, request_.tenant, "erase");
    event.resource_type = "ledger_rows";
    event.erased_seqs = rows;
    return event;
  }

  void erase(PublishedErasure erasure, const std::vector<SeqRange>& rows) {
    const ErasedCounts counts = eraser_.erase(request_.tenant, *erasure.seq, rows, needles_);
    erasure.rows = counts.rows;
    emptied_ += counts.refused;
    done_.push_back(std::move(erasure));
  }

  std::int64_t count_named() const {
    std::int64_t rows = 0;
    for (const auto& [event, ranges] : plan_.named) rows += count_rows(ranges);
    return rows;
  }

  std::string earliest() const {
    const auto first = std::min_element(found_.begin(), found_.end(),
                                        [](const auto& a, const auto& b) { return a.earliest < b.earliest; });
    return moment_text(first->earliest);
  }

  std::string latest() const {
    const auto last = std::max_element(found_.begin(), found_.end(),
                                       [](const auto& a, const auto& b) { return a.latest < b.latest; });
    return moment_text(last->latest);
  }

  const Config& config_;
  const EraseRequest& request_;
  const Terminal& terminal_;
  Eraser eraser_;
  const std::vector<std::string> needles_;
  std::vector<PersonalRows> found_;
  std::vector<SeqRange> seqs_;
  std::int64_t refused_ = 0;
  ErasePlan plan_;
  std::vector<PublishedErasure> done_;
  std::int64_t emptied_ = 0;
};

}  // namespace

int erase_command(const Config& config, const EraseRequest& request, const Terminal& terminal) {
  check(request);
  Erasing erasing(config, request, terminal);
  erasing.check_event();
  erasing.find();
  const bool execute = request.publish.execute && !erasing.nothing();
  if (!request.publish.json) terminal.out << erasing.text() << std::flush;
  const bool arrived = !execute || erasing.execute();
  terminal.out << (request.publish.json ? erasing.json() : execute ? erasing.done_text() : "");
  if (!request.publish.execute) terminal.err << "Nothing was done. With --execute it is.\n";
  terminal.err
      << "Kafka keeps its records until their retention ends, and a backup its rows: after a restore or a "
         "replay, erase again.\n";
  return arrived ? kExitOk : kExitNo;
}

}  // namespace sealstream
