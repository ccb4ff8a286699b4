// Goal: a wrong configuration says where, which key, what is allowed, and what was meant perhaps; a right one
// is read exactly. Method: small YAML texts; nothing is connected to.
#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/reload.h"
#include "temporary_directory.h"

namespace sealstream {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

const std::string kMinimal =
    "kafka: {brokers: 'localhost:9092'}\n"
    "postgres: {host: localhost, database: audit}\n"
    "keyring_file: keyring.yaml\n";

Config read(const std::string& more, const Environment& environment = {}) {
  return make_config("/etc/s/test.yaml", kMinimal + more, environment);
}

std::vector<std::string> findings_of(const std::string& yaml, const Environment& environment = {}) {
  try {
    make_config("/etc/s/test.yaml", yaml, environment);
  } catch (const ConfigError& error) {
    return error.findings();
  }
  return {};
}

std::vector<std::string> findings(const std::string& more, const Environment& environment = {}) {
  return findings_of(kMinimal + more, environment);
}

TEST(Config, TakesItsDefaultsFromTheTable) {
  const Config config = read("");
  const IngestOptions defaults;
  EXPECT_EQ(config.kafka.topics, std::vector<std::string>{"audit.events.v1"});
  EXPECT_EQ(config.postgres.sslmode, "verify-full");
  EXPECT_EQ(config.postgres.writer.user, "audit_writer");
  EXPECT_TRUE(config.lanes_auto);
  EXPECT_EQ(config.http.port, 9464);
  EXPECT_EQ(config.ingest.batch_rows, defaults.batch_rows);
  EXPECT_EQ(config.ingest.batch_rows_backlog, defaults.batch_rows_backlog);
  EXPECT_EQ(config.ingest.batch_bytes, defaults.batch_bytes);
  EXPECT_EQ(config.ingest.linger, defaults.linger);
  EXPECT_EQ(config.ingest.backoff_last, defaults.backoff_last);
  EXPECT_EQ(config.ingest.drain_deadline, defaults.drain_deadline);
  EXPECT_EQ(config.ingest.leaves_ahead, defaults.leaves_ahead);
  EXPECT_EQ(config.ingest.accept_create_time, defaults.accept_create_time);
  EXPECT_EQ(config.ingest.start_new_partitions_at_end, defaults.start_new_partitions_at_end);
}

TEST(Config, ReadsEveryKindOfValue) {
  const Config config = read(
      "ingest: {lanes: 3, batch_rows: 7, linger_ms: 0, owner: one}\n"
      "http: {listen: '[::1]:80'}\n"
      "log: {level: debug}\n");
  EXPECT_FALSE(config.lanes_auto);
  EXPECT_EQ(config.ingest.lanes, 3U);
  EXPECT_EQ(config.ingest.batch_rows, 7U);
  EXPECT_EQ(config.ingest.linger.count(), 0);
  EXPECT_EQ(config.ingest.owner, "one");
  EXPECT_EQ(config.http.host, "::1");
  EXPECT_EQ(config.log.level, "debug");
}

TEST(Config, StartsRelativePathsAtTheFolderOfTheFile) {
  EXPECT_EQ(read("").keyring_file, "/etc/s/keyring.yaml");
}

TEST(Config, NamesFileLineColumnAndKeyOfAnUnknownKey) {
  EXPECT_THAT(findings("log:\n  levle: info\n"),
              ElementsAre("/etc/s/test.yaml:5:3: log.levle: unknown key; did you mean log.level?"));
}

TEST(Config, FindsTheSectionThatAKeyBelongsTo) {
  EXPECT_THAT(findings("linger_ms: 5\n"), ElementsAre(HasSubstr("did you mean ingest.linger_ms?")));
  EXPECT_THAT(findings("postgress: {}\n"), ElementsAre(HasSubstr("did you mean postgres?")));
}

TEST(Config, NeverEchoesTheValueOfAnUnknownKey) {
  EXPECT_THAT(findings("postgres_password: hunter2\n"), ElementsAre(Not(HasSubstr("hunter2"))));
}

TEST(Config, NeverEchoesASecret) {
  const std::string secret = "sk-ant-hunter2hunter2hunter2";
  for (const std::string& yaml : std::vector<std::string>{
           secret + ": 1",
           "log: {level: " + secret + "}",
           "log: {" + secret + ": info}",
           "http: {listen: 'https://bob:hunter2@localhost/'}",
           "kafka: {brokers: 'bob:hunter2@localhost:9092'}",
           "kafka: {brokers: 'sasl://bob:hunter2,more@localhost:9092'}",
           "kafka: {brokers: 'bob,hunter2@elsewhere:9092'}",
           "kafka: {properties: {" + secret + ": 1}}",
           "kafka: {properties: {client.id: " + secret + "}}",
           "kafka: {properties: {sasl.password: hunter2}}",
           "kafka: {property_files: {" + secret + ": {}}}",
           "postgres: {host: ' bob:hunter2@localhost', sslmode: disable}",
           "postgres: {host: 'postgresql://bob:hunter2@elsewhere/audit', sslmode: disable}",
           "postgres: {writer: {password: *hunter2}}",
           "postgres: {writer: {password: \"hunter2\\hunter2\"}}",
       }) {
    EXPECT_THAT(findings_of(yaml), AllOf(Not(IsEmpty()), testing::Each(Not(HasSubstr("hunter2"))))) << yaml;
  }
  EXPECT_THAT(findings("", {{"SEALSTREAM__" + secret, "1"}}), ElementsAre(Not(HasSubstr("hunter2"))));
}

TEST(Config, RefusesASecretAsAName) {
  for (const std::string name : {"INGEST__OWNER", "POSTGRES__WRITER__USER", "POSTGRES__DATABASE",
                                 "KAFKA__TOPICS", "KAFKA__GROUP_ID", "KAFKA__GROUP_INSTANCE_ID"}) {
    EXPECT_THAT(findings("", {{"SEALSTREAM__" + name, "sk-ant-hunter2hunter2hunter2"}}),
                ElementsAre(AllOf(HasSubstr(name), HasSubstr("holds a secret"), Not(HasSubstr("hunter2")))));
  }
}

TEST(Config, SaysWhichValuesAreAllowed) {
  EXPECT_THAT(
      findings("ingest: {linger_ms: -1}\n"),
      ElementsAre("/etc/s/test.yaml:4:10: ingest.linger_ms: \"-1\" is not allowed; allowed: 0 to 60000"));
  EXPECT_THAT(findings("ingest: {lanes: some}\n"), ElementsAre(HasSubstr("allowed: auto, or 1 to 256")));
  EXPECT_THAT(findings("log: {level: loud}\n"),
              ElementsAre(HasSubstr("one of: debug, info, warning, error")));
  EXPECT_THAT(findings("http: {listen: 9464}\n"), ElementsAre(HasSubstr("address:port")));
  EXPECT_THAT(findings("ingest: {batch_rows: 5k}\n"), ElementsAre(HasSubstr("1 to 1000000")));
  EXPECT_THAT(findings("ingest: {batch_rows: 5.0}\n"), ElementsAre(HasSubstr("1 to 1000000")));
}

TEST(Config, TakesTheEdgesOfARangeAndNothingBeyond) {
  EXPECT_THAT(findings("ingest: {lanes: 1}\n"), IsEmpty());
  EXPECT_THAT(findings("ingest: {lanes: 256}\n"), IsEmpty());
  EXPECT_THAT(findings("ingest: {lanes: 0}\n"), ElementsAre(HasSubstr("ingest.lanes")));
  EXPECT_THAT(findings("ingest: {lanes: 257}\n"), ElementsAre(HasSubstr("ingest.lanes")));
}

TEST(Config, RefusesTheWrongShape) {
  EXPECT_THAT(findings("log: info\n"), ElementsAre(HasSubstr("must be a mapping, but is a scalar")));
  EXPECT_THAT(findings("ingest: {lanes: [1]}\n"), ElementsAre(HasSubstr("a list is not allowed")));
  EXPECT_THAT(findings_of("- a\n"), testing::Contains(HasSubstr("must be a mapping, but is a list")));
}

TEST(Config, RefusesAKeyThatIsGivenTwice) {
  EXPECT_THAT(findings("log: {level: info, level: debug}\n"),
              ElementsAre(HasSubstr("log.level: given twice")));
}

TEST(Config, SaysWhereAFileIsNotYaml) {
  EXPECT_THAT(findings_of("kafka: {brokers: [\n"),
              ElementsAre(AllOf(HasSubstr("test.yaml:"), HasSubstr("not YAML"))));
}

TEST(Config, SaysItInOneLineWhateverAFileHolds) {
  EXPECT_THAT(findings_of("\"evil\\e[2J\\nkey\": 1\n"), Contains(HasSubstr("evil?[2J?key: unknown key")));
}

TEST(Config, RefusesWhatIsNoText) {
  EXPECT_THAT(findings("log: {level: info}\n# caf\xE9\n"),
              ElementsAre("/etc/s/test.yaml:5:1: the line is not UTF-8"));
  EXPECT_THAT(findings("", {{"SEALSTREAM__POSTGRES__DATABASE", "caf\xE9"}}),
              ElementsAre("environment SEALSTREAM__POSTGRES__DATABASE: postgres.database: is not UTF-8"));
  EXPECT_THAT(findings("ingest: {owner: \"a\\uFFFE\"}\n"),
              ElementsAre(HasSubstr("ingest.owner: holds a character that is none")));
  EXPECT_THAT(findings("", {{"SEALSTREAM__KAFKA__TOPICS", "a,\xF0\x9F\xBF\xBF"}}),
              ElementsAre(HasSubstr("kafka.topics: holds a character that is none")));
  EXPECT_THAT(findings("", {{"SEALSTREAM__KAFKA__PROPERTIES", "{client.id: \"\\uFDD0\"}"}}),
              ElementsAre(HasSubstr("kafka.properties: holds a character that is none")));
  EXPECT_EQ(read("ingest: {owner: \"caf\u00E9 \\u0001\"}\n").ingest.owner, "caf\u00E9 \x01");
}

TEST(Config, SaysWhatIsRequiredAndHowToGiveIt) {
  EXPECT_THAT(
      findings_of("kafka: {brokers: }\npostgres: {host: localhost, database: audit}\nkeyring_file: k\n"),
      ElementsAre(AllOf(HasSubstr("kafka.brokers: is required"), HasSubstr("SEALSTREAM__KAFKA__BROKERS"))));
  EXPECT_EQ(findings_of("").size(), 4U);
}

TEST(Config, TellsEverythingThatIsWrongAtOnce) {
  EXPECT_EQ(findings("log: {level: loud, fromat: json}\ningest: {lanes: 0}\n").size(), 3U);
}

TEST(Config, IsOverriddenByTheEnvironment) {
  const Config config = read("ingest: {linger_ms: 9}\n", {{"SEALSTREAM__INGEST__LINGER_MS", "10"},
                                                          {"SEALSTREAM__KAFKA__TOPICS", "a,b"},
                                                          {"SEALSTREAM__KAFKA__PROPERTIES", "{client.id: x}"},
                                                          {"PATH", "/bin"}});
  EXPECT_EQ(config.ingest.linger.count(), 10);
  EXPECT_THAT(config.kafka.topics, ElementsAre("a", "b"));
  EXPECT_THAT(config.kafka.properties, ElementsAre(Pair("client.id", "x")));
  EXPECT_EQ(config.settings.at("ingest.linger_ms").origin.text(),
            "environment SEALSTREAM__INGEST__LINGER_MS");
}

TEST(Config, CanComeFromTheEnvironmentAlone) {
  EXPECT_THAT(findings_of("", {{"SEALSTREAM__KAFKA__BROKERS", "localhost:9092"},
                               {"SEALSTREAM__POSTGRES__HOST", "localhost"},
                               {"SEALSTREAM__POSTGRES__DATABASE", "audit"},
                               {"SEALSTREAM__KEYRING_FILE", "/k"}}),
              IsEmpty());
}

TEST(Config, NamesAVariableThatIsWrong) {
  EXPECT_THAT(
      findings("", {{"SEALSTREAM__INGEST__LANES", "0"}}),
      ElementsAre(
          "environment SEALSTREAM__INGEST__LANES: ingest.lanes: \"0\" is not allowed; allowed: auto, or "
          "1 to 256"));
  EXPECT_THAT(
      findings("", {{"SEALSTREAM__INGEST__LANS", "1"}}),
      ElementsAre(
          "environment SEALSTREAM__INGEST__LANS: no such key; did you mean SEALSTREAM__INGEST__LANES?"));
}

TEST(Config, HoldsABacklogBatchAgainstAUsualOne) {
  EXPECT_THAT(findings("ingest: {batch_rows: 30000}\n"),
              ElementsAre(HasSubstr("ingest.batch_rows_backlog: must not be less than ingest.batch_rows")));
}

TEST(Plaintext, ReachesKafkaOnThisMachineOnly) {
  const std::string remote =
      "kafka: {brokers: 'localhost:9092, kafka.example:9092'%}\n"
      "postgres: {host: localhost, database: audit}\nkeyring_file: k\n";
  const auto with = [&](const std::string& more) {
    std::string yaml = remote;
    return findings_of(yaml.replace(yaml.find('%'), 1, more));
  };
  EXPECT_THAT(with(""), ElementsAre(AllOf(
                            HasSubstr("test.yaml:1:9: kafka.brokers: \"kafka.example\" is not this machine"),
                            HasSubstr("security.protocol"))));
  EXPECT_THAT(with(", allow_plaintext: true"), IsEmpty());
  EXPECT_THAT(with(", properties: {security.protocol: SASL_SSL}"), IsEmpty());
  EXPECT_THAT(with(", properties: {security.protocol: sasl_plaintext}"),
              ElementsAre(HasSubstr("sasl_plaintext")));
  EXPECT_THAT(with(", properties: {security.protocol: ssl, enable.ssl.certificate.verification: false}"),
              ElementsAre(HasSubstr("not verified")));
  EXPECT_THAT(with(", properties: {security.protocol: ssl, ssl.endpoint.identification.algorithm: none}"),
              ElementsAre(HasSubstr("not verified")));
}

TEST(Config, ReadAgainNamesWhatWaitsForARestart) {
  const Config running = read("");
  EXPECT_THAT(waiting_for_restart(running.settings, running.settings), IsEmpty());
  const Config fresh =
      read("ingest: {batch_rows: 7, batch_bytes: 65536, lanes: 3}\nlog: {level: debug, format: human}\n");
  EXPECT_THAT(waiting_for_restart(running.settings, fresh.settings),
              ElementsAre("ingest.lanes", "log.format"));
}

TEST(Plaintext, ReachesPostgresOnThisMachineOnly) {
  const auto with = [&](const std::string& postgres) {
    return findings_of("kafka: {brokers: 'localhost:9092'}\nkeyring_file: k\npostgres: {database: audit, " +
                       postgres + "}\n");
  };
  EXPECT_THAT(with("host: db.example"), IsEmpty());
  EXPECT_THAT(with("host: db.example, sslmode: require"),
              ElementsAre(HasSubstr("works only on this machine")));
  EXPECT_THAT(with("host: db.example, sslmode: verify-ca"), ElementsAre(HasSubstr("postgres.sslmode")));
  EXPECT_THAT(with("host: db.example, sslmode: disable, allow_plaintext: true"), IsEmpty());
  for (const char* here : {"localhost", "127.0.0.9", "'::1'", "/run/postgresql", "'127.0.0.1,::1'"}) {
    EXPECT_THAT(with(std::string("sslmode: disable, host: ") + here), IsEmpty()) << here;
  }
  for (const char* elsewhere :
       {"localhost.example", "127.0.0.1.example", "128.0.0.1", "'::2'", "'localhost,db.example'"}) {
    EXPECT_EQ(with(std::string("sslmode: disable, host: ") + elsewhere).size(), 1U) << elsewhere;
  }
}

TEST(KafkaProperties, ThatBreakDeliveryAreRefusedByName) {
  for (const char* name : {"enable.auto.commit", "auto.offset.reset", "isolation.level", "group.id"}) {
    EXPECT_THAT(findings_of("kafka: {brokers: 'localhost:9092', properties: {" + std::string(name) +
                            ": x}}\n" + kMinimal.substr(kMinimal.find("postgres"))),
                ElementsAre(AllOf(HasSubstr("test.yaml:1:36: kafka.properties." + std::string(name)),
                                  HasSubstr("cannot be passed on"))));
  }
}

TEST(KafkaProperties, ThatLibrdkafkaDoesNotKnowAreRefused) {
  EXPECT_THAT(findings("", {{"SEALSTREAM__KAFKA__PROPERTIES", "{fetch.mn.bytes: 1}"}}),
              ElementsAre(HasSubstr("kafka.properties.fetch.mn.bytes: librdkafka")));
}

TEST(KafkaProperties, ThatHoldASecretBelongInFilesAndAreNotEchoed) {
  for (const char* name :
       {"sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"}) {
    EXPECT_THAT(findings("", {{"SEALSTREAM__KAFKA__PROPERTIES", "{" + std::string(name) + ": hunter2}"}}),
                ElementsAre(AllOf(HasSubstr("kafka.property_files"), Not(HasSubstr("hunter2")))));
  }
}

TEST(KafkaProperties, AreReadFromTheirFiles) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("password", "hunter2\n");
  const Config config = read("", {{"SEALSTREAM__KAFKA__PROPERTY_FILES", "{sasl.password: " + file + "}"},
                                  {"SEALSTREAM__KAFKA__PROPERTIES", "{client.id: x}"}});
  EXPECT_THAT(kafka_properties(config.kafka),
              ElementsAre(Pair("client.id", "x"), Pair("sasl.password", "hunter2")));
}

TEST(KafkaProperties, FromAFileThatOthersCanReadAreRefused) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("password", "hunter2\n", 0640);
  const Config config = read("", {{"SEALSTREAM__KAFKA__PROPERTY_FILES", "{sasl.password: " + file + "}"}});
  EXPECT_THROW(kafka_properties(config.kafka), ConfigError);
}

}  // namespace
}  // namespace sealstream
