#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>
#include <sstream>

#include "app/exit_codes.h"
#include "app/suggest.h"
#include "sealstream/core/secrets.h"

namespace sealstream {
namespace {

std::string help_text(const std::string& summary, const std::vector<std::string>& examples) {
  std::string text = summary + "\n\nExamples:\n";
  for (const std::string& example : examples) text += "  " + example + "\n";
  return text;
}

/// As CLI11's, but a list of commands shows only the first line of each one's help.
class BriefList : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* sub) const override {
    const std::string text = sub->get_description();
    std::ostringstream out;
    CLI::detail::format_help(out, sub->get_name(), text.substr(0, text.find('\n')), 18);
    return out.str();
  }
};

std::string exit_code_table() {
  std::string text = "Exit codes:\n";
  for (const ExitCode& exit : kExitCodes) {
    const std::string number = std::to_string(exit.code);
    text += std::string(4 - number.size(), ' ') + number + "  " + std::string(exit.meaning) + "\n";
  }
  return text;
}

/// The command that was parsed last: the one that the words after it belong to.
const CLI::App& innermost(const CLI::App& app) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().back();
  return *deepest;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

std::string near(const std::string& word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  return did_you_mean(word, views);
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

CommandLine::CommandLine(const Environment& environment, const Terminal& terminal)
    : environment_(environment), terminal_(terminal), app_(std::make_unique<CLI::App>("", "sealstream")) {
  app_->description(
      help_text("Seals audit events from Kafka into PostgreSQL, exactly once, in a tamper-evident order.",
                {"sealstream check-config --connect     is everything as it must be?",
                 "sealstream migrate up                 make or update the schema",
                 "sealstream run                        seal, until SIGTERM",
                 "sealstream verify                     prove that nothing was changed",
                 "sealstream COMMAND --help             more about one command"}));
  app_->formatter(std::make_shared<BriefList>());
  app_->footer(exit_code_table());
  app_->add_option(
          "--config", config_file_,
          "Configuration file; else ./sealstream.yaml where it exists, else /etc/sealstream/sealstream.yaml")
      ->type_name("FILE");
  app_->add_flag_callback(
      "--version", [this] { chosen_ = [this] { return version_command(false, terminal_); }; },
      "Print the version");
  add_run();
  add_check_config();
  add_print_config();
  add_migrate();
  add_verify();
  add_quarantine();
  add_anomalies();
  add_erase();
  add_offsets();
  add_rebuild();
  add_status();
  add_version();
}

CommandLine::~CommandLine() = default;

CLI::App* CommandLine::command(CLI::App& parent, const std::string& name, const std::string& summary,
                               const std::vector<std::string>& examples, std::function<int()> work) {
  CLI::App* sub = parent.add_subcommand(name, help_text(summary, examples));
  sub->fallthrough();
  sub->footer("Exit codes: see sealstream --help");
  if (work) sub->parse_complete_callback([this, work = std::move(work)] { chosen_ = work; });
  return sub;
}

void CommandLine::add_run() {
  command(*app_, "run",
          "Seal events until told to stop: SIGTERM drains and exits, a second signal exits at once (128 + "
          "its number). SIGHUP reads the configuration again for the log level and the batch limits.",
          {"sealstream run --config /etc/sealstream/sealstream.yaml",
           "SEALSTREAM__LOG__LEVEL=debug sealstream run"},
          [this] { return run_command([this] { return config(); }, terminal_); });
}

void CommandLine::add_check_config() {
  CLI::App* sub = command(*app_, "check-config",
                          "Check the configuration, the keyring and the password file of the writer.",
                          {"sealstream check-config",
                           "sealstream check-config --connect     also topics, rights, schema and clocks"},
                          [this] {
                            check_config_.json = json_;
                            return check_config_command(config(), check_config_, terminal_);
                          });
  sub->add_flag("--connect", check_config_.connect,
                "Ask PostgreSQL and Kafka too: rights, schema version, topic settings, clocks");
  sub->add_flag("--json", json_, "Print one JSON object");
}

void CommandLine::add_print_config() {
  CLI::App* sub =
      command(*app_, "print-config",
              "Print the configuration that is in force, and where each value came from. Secrets as ***.",
              {"sealstream print-config", "sealstream print-config --json | jq .kafka",
               "sealstream print-config --example > sealstream.yaml"},
              [this] {
                print_config_.json = json_;
                return print_config_command([this] { return config(); }, print_config_, terminal_);
              });
  sub->add_flag("--example", print_config_.example,
                "Print a file with every key, its default and its effect");
  sub->add_flag("--schema", print_config_.schema, "Print the JSON Schema of the file");
  sub->add_flag("--json", json_, "Print one JSON object");
}

void CommandLine::add_migrate() {
  CLI::App* migrate =
      command(*app_, "migrate", "Bring the schema of the database to the version of this program.",
              {"sealstream migrate status", "sealstream migrate up",
               "sealstream migrate down               what would be taken back?",
               "sealstream migrate down --execute     take the newest migration back"},
              nullptr);
  CLI::App* up =
      command(*migrate, "up", "Apply every migration that is missing, each in one transaction.",
              {"sealstream migrate up"}, [this] { return migrate_up_command(config(), json_, terminal_); });
  CLI::App* status =
      command(*migrate, "status", "Say which migrations are applied.", {"sealstream migrate status --json"},
              [this] { return migrate_status_command(config(), json_, terminal_); });
  CLI::App* down = command(*migrate, "down", "Take the newest migration back, with the data in what it made.",
                           {"sealstream migrate down               only says what would be done",
                            "sealstream migrate down --execute"},
                           [this] {
                             migrate_down_.json = json_;
                             return migrate_down_command(config(), migrate_down_, terminal_);
                           });
  down->add_flag("--execute", migrate_down_.execute, "Do it. Without this, only say what would be done");
  for (CLI::App* sub : {up, status, down}) sub->add_flag("--json", json_, "Print one JSON object");
}

void CommandLine::add_verify() {
  CLI::App* sub =
      command(*app_, "verify", "Recompute every chain from the ledger and say whether it is what was sealed.",
              {"sealstream verify", "sealstream verify --tenant acme --json",
               "sealstream verify --since 2026-11-01T00:00:00Z", "sealstream verify --workers 4",
               "sealstream verify --read-models         usage, keys and anomalies too"},
              [this] {
                verify_.json = json_;
                return verify_command(config(), verify_, terminal_);
              });
  sub->add_option("--tenant", verify_.tenant, "Only this tenant's chain")->type_name("ID");
  CLI::Option* since =
      sub->add_option("--since", verify_.since,
                      "Only rows recorded from this moment on (UTC); what lies before is trusted")
          ->type_name("TIME");
  sub->add_flag("--read-models", verify_.read_models,
                "Compute usage, keys and anomalies again from all of the ledger, and compare")
      ->excludes(since);
  sub->add_option("--workers", verify_.workers, "Read chains over so many connections at a time; default 1")
      ->check(CLI::Range(1, 64))
      ->type_name("N");
  sub->add_flag("--chain-only", verify_.chain_only, "Do not mind personal values that cannot be opened");
  sub->add_flag("--json", json_, "Print one JSON object");
}

void CommandLine::add_quarantine() {
  CLI::App* quarantine = command(
      *app_, "quarantine", "Look at records that were refused.",
      {"sealstream quarantine list --reason schema", "sealstream quarantine show audit.events.v1/0/3/4711"},
      nullptr);
  CLI::App* list = command(
      *quarantine, "list", "List refused records, the newest first.",
      {"sealstream quarantine list", "sealstream quarantine list --tenant acme --limit 10 --json"}, [this] {
        quarantine_list_.json = json_;
        return quarantine_list_command(config(), quarantine_list_, terminal_);
      });
  list->add_option("--tenant", quarantine_list_.tenant, "Only of the chain of this tenant")->type_name("ID");
  list->add_option("--reason", quarantine_list_.reason, "Only with this reason")->type_name("REASON");
  list->add_option("--state", quarantine_list_.state, "open, released, discarded or all; default open")
      ->check(CLI::IsMember({"open", "released", "discarded", "all"}))
      ->type_name("STATE");
  list->add_option("--limit", quarantine_list_.limit, "At most this many, 1 to 10000; default 100")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  list->add_flag("--json", json_, "Print one JSON object a line");
  CLI::App* show =
      command(*quarantine, "show", "Show one refused record, its secrets redacted, and why it was refused.",
              {"sealstream quarantine show audit.events.v1/0/3/4711",
               "sealstream quarantine show audit.events.v1/0/3/4711 --json | jq -r .value"},
              [this] { return quarantine_show_command(config(), place_, json_, terminal_); });
  show->add_option("place", place_, "topic/log_epoch/partition/offset, as list prints it")->required();
  show->add_flag("--json", json_, "Print one JSON object");
}

/// The options of a command that publishes an event.
void CommandLine::add_publishing(CLI::App& sub) {
  sub.add_option("--by", publish_.by, "Who asks for it; default the login name")->type_name("NAME");
  sub.add_flag("--execute", publish_.execute, "Do it. Without this, only say what would be done");
  sub.add_option("--wait-ms", publish_.wait_ms,
                 "How long to wait for the ingester, 0 to 3600000; default 30000")
      ->check(CLI::Range(0, 3'600'000))
      ->type_name("MS");
  sub.add_flag("--json", json_, "Print one JSON object");
}

void CommandLine::add_anomalies() {
  CLI::App* anomalies =
      command(*app_, "anomalies", "Look at what the rules over API keys found, and resolve it.",
              {"sealstream anomalies list --severity critical",
               "sealstream anomalies resolve 2f0c… --reason \"rotated the key\" --execute"},
              nullptr);
  add_anomalies_list(*anomalies);
  CLI::App* show =
      command(*anomalies, "show", "Show one anomaly with what it was judged by.",
              {"sealstream anomalies show 2f0c0d8e-5f5c-7e55-9c0a-0a4b6f1c2d3e",
               "sealstream anomalies show 2f0c0d8e-5f5c-7e55-9c0a-0a4b6f1c2d3e --json | jq .details"},
              [this] { return anomalies_show_command(config(), anomaly_id_, json_, terminal_); });
  show->add_flag("--json", json_, "Print one JSON object");
  CLI::App* resolve = command(
      *anomalies, "resolve",
      "Say that an anomaly is dealt with: publishes an event, which the ingester seals and applies.",
      {"sealstream anomalies resolve 2f0c0d8e-5f5c-7e55-9c0a-0a4b6f1c2d3e --reason \"rotated the key\"",
       "the same with --execute     does it, and waits until it shows"},
      [this] {
        publish_.json = json_;
        return anomalies_resolve_command(config(), anomaly_id_, publish_, terminal_);
      });
  resolve->add_option("--reason", publish_.reason, "Why; at most 256 bytes")->required()->type_name("TEXT");
  add_publishing(*resolve);
  for (CLI::App* sub : {show, resolve})
    sub->add_option("id", anomaly_id_, "The anomaly's id, as list prints it")->required();
}

void CommandLine::add_anomalies_list(CLI::App& anomalies) {
  CLI::App* list =
      command(anomalies, "list", "List anomalies, the latest windows first.",
              {"sealstream anomalies list", "sealstream anomalies list --tenant acme --all --json"}, [this] {
                anomalies_list_.json = json_;
                return anomalies_list_command(config(), anomalies_list_, terminal_);
              });
  list->add_option("--tenant", anomalies_list_.tenant, "Only of this tenant")->type_name("ID");
  list->add_option("--type", anomalies_list_.type, "Only of this type, for example brute_force")
      ->check(CLI::IsMember({"high_request_rate", "high_error_rate", "multiple_ips", "unusual_time",
                             "brute_force", "data_exfiltration"}))
      ->type_name("TYPE");
  list->add_option("--severity", anomalies_list_.severity, "low, medium, high or critical")
      ->check(CLI::IsMember({"low", "medium", "high", "critical"}))
      ->type_name("SEVERITY");
  CLI::Option* open = list->add_flag_callback(
      "--open", [this] { anomalies_list_.resolved = false; },
      "Only those that are not resolved (the default)");
  CLI::Option* resolved = list->add_flag_callback(
      "--resolved", [this] { anomalies_list_.resolved = true; }, "Only those that are resolved");
  CLI::Option* all = list->add_flag_callback(
      "--all", [this] { anomalies_list_.resolved.reset(); }, "Resolved or not");
  open->excludes(resolved)->excludes(all);
  resolved->excludes(all);
  list->add_option("--limit", anomalies_list_.limit, "At most this many, 1 to 10000; default 100")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  list->add_flag("--json", json_, "Print one JSON object a line");
}

void CommandLine::add_erase() {
  CLI::App* sub = command(
      *app_, "erase",
      "Erase personal values: of the rows in which a user acted or was acted for, or of one event.\n"
      "An event in the chain says which rows, before they are erased; the chain still verifies. If it ends "
      "half-way,\n"
      "run it again. What only mentions the user, in a text or as a resource, is erased by --event. Kafka "
      "keeps its\n"
      "records until their retention ends, and a backup its rows: after a restore or a replay, erase again.",
      {"sealstream erase --tenant acme --user eve               what would be erased?",
       "sealstream erase --tenant acme --user eve --reason \"GDPR 17, case 12\" --execute",
       "sealstream erase --tenant acme --event 0193…-7c1e --execute"},
      [this] {
        erase_.publish = publish_;
        erase_.publish.json = json_;
        return erase_command(config(), erase_, terminal_);
      });
  sub->add_option("--tenant", erase_.tenant, "Whose chain")->required()->type_name("ID");
  CLI::Option* user =
      sub->add_option("--user", erase_.user, "Rows whose user_id or on_behalf_of this is")->type_name("ID");
  CLI::Option* event = sub->add_option("--event", erase_.event_id, "The row of this event")->type_name("ID");
  user->excludes(event);
  sub->add_option("--reason", publish_.reason, "Why; at most 256 bytes, and it should not name the person")
      ->type_name("TEXT");
  add_publishing(*sub);
}

void CommandLine::add_offsets() {
  CLI::App* offsets = command(
      *app_, "offsets", "Look at positions, and let a halted partition go on.",
      {"sealstream offsets show",
       "sealstream offsets reset audit.events.v1/3 --accept-loss \"disk of broker 2 is gone\" --execute"},
      nullptr);
  CLI::App* show = command(
      *offsets, "show", "Say where every partition stands in PostgreSQL and in Kafka, and what halts it.",
      {"sealstream offsets show", "sealstream offsets show --json | jq '.partitions[] | select(.halted)'"},
      [this] { return offsets_show_command(config(), json_, terminal_); });
  CLI::App* exported =
      command(*offsets, "export", "Print every position as JSON, for a backup or for another consumer.",
              {"sealstream offsets export > positions.json"},
              [this] { return offsets_export_command(config(), terminal_); });
  for (CLI::App* sub : {show, exported}) sub->add_flag("--json", json_, "Print one JSON object");
  CLI::App* reset = command(
      *offsets, "reset",
      "Accept what is lost of halted partitions, so that they go on in the log that is there.\n"
      "An event in the chain of the tenant _sealstream says so. Where retention or compaction took records, "
      "the\n"
      "partition goes on behind them and they are counted as lost. A log that is not the same is read from "
      "its start:\n"
      "events that were sealed already are duplicates and stay one row.",
      {"sealstream offsets reset audit.events.v1/3 --accept-loss \"disk of broker 2 is gone\"     what would "
       "be accepted?",
       "sealstream offsets reset audit.events.v1/{0,1,2} --accept-loss \"topic made again\" --execute"},
      [this] {
        offsets_reset_.publish = publish_;
        offsets_reset_.publish.json = json_;
        return offsets_reset_command(config(), offsets_reset_, terminal_);
      });
  reset->add_option("partition", offsets_reset_.partitions, "topic/partition, as show prints it")->required();
  reset->add_option("--accept-loss", publish_.reason, "Why; at most 256 bytes")
      ->required()
      ->type_name("REASON");
  add_publishing(*reset);
}

void CommandLine::add_rebuild() {
  CLI::App* rebuild = command(*app_, "rebuild", "Write again what is derived from the ledger.",
                              {"sealstream rebuild read-models               what would be changed?",
                               "sealstream rebuild read-models --execute"},
                              nullptr);
  CLI::App* sub = command(
      *rebuild, "read-models",
      "Make usage, keys and anomalies what the ledger says, tenant by tenant, while ingestion goes on.",
      {"sealstream rebuild read-models               only says what would be done",
       "sealstream rebuild read-models --execute",
       "sealstream rebuild read-models --tenant acme --model api_keys --execute"},
      [this] {
        rebuild_.json = json_;
        return rebuild_read_models_command(config(), rebuild_, terminal_);
      });
  sub->add_option("--tenant", rebuild_.tenant, "Only of this tenant")->type_name("ID");
  sub->add_option("--model", rebuild_.model, "usage_records, api_keys or api_key_anomalies; default all")
      ->check(CLI::IsMember({"usage_records", "api_keys", "api_key_anomalies"}))
      ->type_name("MODEL");
  sub->add_flag("--execute", rebuild_.execute, "Do it. Without this, only say what would be done");
  sub->add_flag("--json", json_, "Print one JSON object");
}

void CommandLine::add_status() {
  CLI::App* sub =
      command(*app_, "status", "Say where every partition stands, and what the running instance says.",
              {"sealstream status", "sealstream status --json | jq '.partitions[]'"},
              [this] { return status_command(config(), json_, terminal_); });
  sub->add_flag("--json", json_, "Print one JSON object");
}

void CommandLine::add_version() {
  CLI::App* sub = command(*app_, "version", "Print the versions of this program and of what it writes.",
                          {"sealstream version", "sealstream version --json"},
                          [this] { return version_command(json_, terminal_); });
  sub->add_flag("--json", json_, "Print one JSON object");
}

int CommandLine::run(const std::vector<std::string>& words) {
  if (std::ranges::any_of(words, holds_secret)) {
    throw UsageError(
        "an argument holds a secret, which everybody on this machine can read now; leave it out, and replace "
        "it where it is used");
  }
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app_->parse(reversed);
  } catch (const CLI::Success&) {
    terminal_.out << innermost(*app_).help();
    return kExitOk;
  } catch (const CLI::ExtrasError&) {
    explain(app_->remaining(true));
  } catch (const CLI::ParseError& error) {
    throw UsageError(std::string(error.what()) + " (see " + innermost(*app_).get_display_name() + " --help)");
  }
  if (!chosen_) explain({});
  return chosen_();
}

void CommandLine::explain(const std::vector<std::string>& strangers) const {
  const CLI::App& app = innermost(*app_);
  const std::vector<std::string> commands = command_names(app);
  if (strangers.empty()) throw UsageError("a command is missing; there are: " + listed(commands));
  const std::string& word = strangers.front();
  if (word.starts_with("-")) {
    std::vector<std::string> options = option_names(app);
    const std::vector<std::string> global = option_names(*app_);
    options.insert(options.end(), global.begin(), global.end());
    const std::string name = word.substr(0, word.find('='));
    throw UsageError("unknown option " + name + near(name, options) + " (see --help)");
  }
  if (commands.empty()) throw UsageError("unexpected word \"" + word + "\" (see --help)");
  const std::string suggestion = near(word, commands);
  throw UsageError("unknown command \"" + word + "\"" +
                   (suggestion.empty() ? "; there are: " + listed(commands) : suggestion));
}

Config CommandLine::config() const {
  return load_config(config_file_.empty() ? default_config_file() : config_file_, environment_);
}

}  // namespace sealstream
