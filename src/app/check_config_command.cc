// check-config: asks, and prints what check_config.h makes of the answers.
#include <ostream>

#include "app/check_config.h"
#include "app/commands.h"
#include "app/connections.h"
#include "app/exit_codes.h"
#include "app/keyring_file.h"
#include "postgres/ledger.h"
#include "postgres/migrations.h"
#include "postgres/server_clock.h"
#include "sealstream/ingest/source.h"

namespace sealstream {
namespace {

using std::chrono::duration_cast;
using std::chrono::system_clock;

constexpr milliseconds kKafkaTimeout{10'000};

Timestamp now() { return std::chrono::time_point_cast<std::chrono::microseconds>(system_clock::now()); }

Finding check_keyring(const Config& config) {
  const Keyring keyring = read_keyring(config.keyring_file);
  return {"keyring", true, "the key in force is " + keyring.at(now()).id};
}

void check_database(const Config& config, std::vector<Finding>& findings) {
  const ConnectionOptions options = connection_options(config.postgres, config.postgres.writer);
  const std::string where = options.user + " at " + options.host + ":" + std::to_string(options.port);
  try {
    PostgresLedger ledger(options, known_schema_version(), [] {});
    ledger.check();
    findings.push_back(
        {"database", true, where + " may write, schema version " + std::to_string(known_schema_version())});
    Connection connection(options, [] {});
    (void)server_clock(connection);  // opens it, so that the next answer takes one round trip
    const Timestamp before = now();
    const Timestamp theirs = server_clock(connection);
    const Timestamp ours = before + (now() - before) / 2;
    findings.push_back(judge_clock("PostgreSQL", duration_cast<milliseconds>(ours - theirs)));
  } catch (const LedgerError& error) {
    findings.push_back({"database", false, where + ": " + error.what()});
  }
}

void check_topics(const Config& config, std::vector<Finding>& findings) {
  try {
    const std::vector<TopicFacts> topics = ask_topics(kafka_options(config.kafka), kKafkaTimeout);
    for (Finding& finding : judge_topics(topics, config.ingest.accept_create_time)) {
      findings.push_back(std::move(finding));
    }
  } catch (const SourceError& error) {
    findings.push_back({"Kafka", false, error.what()});
  }
}

}  // namespace

int check_config_command(const Config& config, const CheckConfigRequest& request, const Terminal& terminal) {
  std::vector<Finding> findings;
  findings.push_back({"configuration", true, "every key is known and in its range"});
  check_secret_files(config);
  findings.push_back(check_keyring(config));
  findings.push_back({"secret files", true, "readable, and by their owner alone"});
  if (request.connect) {
    check_database(config, findings);
    check_topics(config, findings);
  }
  terminal.out << (request.json ? findings_json(findings) : findings_text(findings));
  return all_ok(findings) ? kExitOk : kExitNo;
}

}  // namespace sealstream
