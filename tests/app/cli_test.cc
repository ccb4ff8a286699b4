// Goal: the command line helps those who mistype, keeps data and messages apart, and exits with the
// documented codes. Method: run_cli with words, as main calls it; nothing is connected to but a port where
// nobody listens.
#include "app/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "app/config_print.h"
#include "app/exit_codes.h"
#include "sealstream/core/json_text.h"
#include "temporary_directory.h"

namespace sealstream {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Answer {
  int code;
  std::string out;
  std::string err;
};

Answer ask(const std::vector<std::string>& words, const Environment& environment = {}) {
  std::ostringstream out, err;
  const int code = run_cli(words, environment, {out, err, false});
  return {code, out.str(), err.str()};
}

const std::vector<std::vector<std::string>> kCommands = {{"run"},
                                                         {"check-config"},
                                                         {"print-config"},
                                                         {"migrate", "up"},
                                                         {"migrate", "status"},
                                                         {"migrate", "down"},
                                                         {"verify"},
                                                         {"quarantine", "list"},
                                                         {"quarantine", "show"},
                                                         {"rebuild", "read-models"},
                                                         {"status"},
                                                         {"version"},
                                                         {"migrate"},
                                                         {"quarantine"}};

TEST(Help, LeadsWithExamplesForEveryCommand) {
  for (std::vector<std::string> words : kCommands) {
    std::string name;
    for (const std::string& word : words) name += " " + word;
    words.push_back("--help");
    const Answer answer = ask(words);
    EXPECT_EQ(answer.code, kExitOk) << name;
    EXPECT_LT(answer.out.find("Examples:"), answer.out.find("Usage:")) << name;
    EXPECT_THAT(answer.out, HasSubstr("sealstream" + name)) << name;
    EXPECT_EQ(answer.err, "") << name;
  }
}

TEST(Help, NamesEveryCommandAndExitCode) {
  const std::string help = ask({"--help"}).out;
  for (const auto& words : kCommands) EXPECT_THAT(help, HasSubstr("\n  " + words.front() + " "));
  for (const ExitCode& exit : kExitCodes)
    EXPECT_THAT(help, HasSubstr(std::to_string(exit.code) + "  " + std::string(exit.meaning)));
}

TEST(CommandLine, AnswersAMistypedCommandWithTheOneThatWasMeant) {
  const Answer answer = ask({"verfy"});
  EXPECT_EQ(answer.code, kExitUsage);
  EXPECT_EQ(answer.out, "");
  EXPECT_EQ(answer.err, "error: unknown command \"verfy\"; did you mean verify?\n");
  EXPECT_THAT(ask({"migrate", "staus"}).err, HasSubstr("did you mean status?"));
  EXPECT_THAT(ask({"quarantine", "xyzzy"}).err, HasSubstr("there are: list, show"));
}

TEST(CommandLine, AnswersAMistypedOptionWithTheOneThatWasMeant) {
  EXPECT_THAT(ask({"run", "--cofnig", "x"}).err,
              HasSubstr("unknown option --cofnig; did you mean --config?"));
  EXPECT_THAT(ask({"verify", "--tennant=a"}).err,
              HasSubstr("unknown option --tennant; did you mean --tenant?"));
  EXPECT_EQ(ask({"run", "--cofnig", "x"}).code, kExitUsage);
}

TEST(CommandLine, RefusesWhatIsMissingOrTooMuch) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"migrate"},
                                             {"quarantine", "show"},
                                             {"verify", "--tenant"},
                                             {"status", "extra"},
                                             {"quarantine", "list", "--limit", "0"},
                                             {"quarantine", "list", "--state", "opne"}}) {
    const Answer answer = ask(words);
    EXPECT_EQ(answer.code, kExitUsage);
    EXPECT_THAT(answer.err, StartsWith("error: "));
    EXPECT_EQ(answer.out, "");
  }
}

TEST(CommandLine, RefusesASecretWhereverItStandsAndDoesNotRepeatIt) {
  const std::string secret = "sk-ant-hunter2hunter2hunter2";
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{secret},
                                             {"run", "--config", secret},
                                             {"run", "--" + secret},
                                             {"verify", "--tenant", secret},
                                             {"verify", "--tenant=" + secret},
                                             {"quarantine", "show", secret + "/0/0/0"},
                                             {"anomalies", "resolve", "x", "--reason", "leaked " + secret},
                                             {"erase", "--tenant", "acme", "--user", secret}}) {
    const Answer answer = ask(words);
    EXPECT_EQ(answer.code, kExitUsage);
    EXPECT_THAT(answer.err, AllOf(HasSubstr("an argument holds a secret"), Not(HasSubstr("hunter2"))));
    EXPECT_EQ(answer.out, "");
  }
}

TEST(Version, IsToldForPeopleAndForPrograms) {
  EXPECT_THAT(ask({"version"}).out, StartsWith("sealstream "));
  EXPECT_EQ(ask({"--version"}).out, ask({"version"}).out);
  const std::string json = ask({"version", "--json"}).out;
  EXPECT_TRUE(json_text(json).has_value());
  EXPECT_THAT(json, AllOf(HasSubstr("\"schema_version\":"), HasSubstr("\"rules_version\":")));
}

TEST(PrintConfig, PrintsTheExampleAndTheSchemaWithoutAConfiguration) {
  EXPECT_EQ(ask({"print-config", "--example"}).out, example_yaml());
  EXPECT_EQ(ask({"print-config", "--schema"}).out, config_schema());
}

class ConfiguredCli : public testing::Test {
 protected:
  /// A configuration whose servers are a port where nobody listens.
  std::string write_config(const std::string& more = "") {
    directory.write("keyring.yaml",
                    "keys: [{id: k1, from: 2026-01-01, key: " + std::string(64, 'a') + "}]\n");
    directory.write("password", "hunter2\n");
    std::string roles;
    for (const char* role : {"writer", "auditor", "operator", "eraser", "rebuilder", "migrator"}) {
      roles += std::string(", ") + role + ": {password_file: password}";
    }
    return directory.write(
        "sealstream.yaml",
        "kafka: {brokers: '127.0.0.1:1'}\npostgres: {host: 127.0.0.1, port: 1, database: x, sslmode: "
        "disable" +
            roles + "}\nkeyring_file: keyring.yaml\n" + more);
  }
  TemporaryDirectory directory;
};

TEST_F(ConfiguredCli, TakesTheFileBeforeOrAfterTheCommand) {
  const std::string file = write_config();
  EXPECT_EQ(ask({"--config", file, "print-config"}).code, kExitOk);
  EXPECT_EQ(ask({"print-config", "--config", file}).out, ask({"--config", file, "print-config"}).out);
}

TEST_F(ConfiguredCli, PrintsItsConfigurationWithoutSecrets) {
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{}, {"--json"}}) {
    std::vector<std::string> words = {"print-config", "--config", write_config()};
    words.insert(words.end(), more.begin(), more.end());
    const Answer answer = ask(words);
    EXPECT_THAT(answer.out, AllOf(HasSubstr("***"), Not(HasSubstr("hunter2"))));
  }
}

TEST_F(ConfiguredCli, ExitsWithTheConfigurationsCodeAndEveryFinding) {
  const Answer answer =
      ask({"check-config", "--config", write_config("log: {levle: info}\ningest: {lanes: 0}\n")});
  EXPECT_EQ(answer.code, kExitConfig);
  EXPECT_EQ(answer.out, "");
  EXPECT_THAT(answer.err,
              AllOf(HasSubstr("sealstream.yaml:4:7: log.levle: unknown key; did you mean log.level?\n"),
                    HasSubstr("sealstream.yaml:5:10: ingest.lanes:")));
}

TEST_F(ConfiguredCli, SaysThatAFileIsMissing) {
  const Answer answer = ask({"run", "--config", directory.path("absent.yaml")});
  EXPECT_EQ(answer.code, kExitConfig);
  EXPECT_THAT(answer.err, HasSubstr("absent.yaml: cannot be read: No such file"));
}

TEST_F(ConfiguredCli, ChecksTheConfigurationWithoutAskingAnyone) {
  const Answer answer = ask({"check-config", "--config", write_config()});
  EXPECT_EQ(answer.code, kExitOk);
  EXPECT_THAT(answer.out, HasSubstr("ok     keyring: the key in force is k1\n"));
  EXPECT_TRUE(json_text(ask({"check-config", "--json", "--config", write_config()}).out).has_value());
}

TEST_F(ConfiguredCli, RefusesAPasswordThatOthersCanRead) {
  const std::string file = write_config();
  directory.write("password", "hunter2\n", 0644);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"check-config"}, {"status"}, {"migrate", "up"}, {"quarantine", "list"}}) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--config", file});
    const Answer answer = ask(all);
    EXPECT_EQ(answer.code, kExitConfig) << words.front();
    EXPECT_THAT(answer.err, AllOf(HasSubstr("chmod 600"), Not(HasSubstr("hunter2"))));
  }
}

TEST_F(ConfiguredCli, RefusesAKeyringThatOthersCanRead) {
  const std::string file = write_config();
  directory.write("keyring.yaml", "keys: []", 0640);
  EXPECT_EQ(ask({"check-config", "--config", file}).code, kExitConfig);
  EXPECT_EQ(ask({"run", "--config", file}, {{"SEALSTREAM__HTTP__LISTEN", "127.0.0.1:0"}}).code, kExitConfig);
}

TEST_F(ConfiguredCli, SaysThatTheDatabaseDoesNotAnswer) {
  const std::string file = write_config();
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"status"},
                                             {"migrate", "status"},
                                             {"migrate", "up"},
                                             {"migrate", "down"},
                                             {"quarantine", "list"},
                                             {"quarantine", "show", "t/0/0/0"},
                                             {"verify"}}) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--config", file});
    const Answer answer = ask(all);
    EXPECT_EQ(answer.code, kExitUnavailable) << words.front() << answer.err;
    EXPECT_THAT(answer.err, AllOf(HasSubstr("error: PostgreSQL: "), Not(HasSubstr("hunter2"))))
        << words.front();
    EXPECT_EQ(answer.out, "") << words.front();
  }
}

TEST_F(ConfiguredCli, RefusesAPlaceOrMomentThatIsNone) {
  const std::string file = write_config();
  EXPECT_EQ(ask({"quarantine", "show", "t/0/x/0", "--config", file}).code, kExitUsage);
  EXPECT_EQ(ask({"verify", "--since", "yesterday", "--config", file}).code, kExitUsage);
}

TEST_F(ConfiguredCli, ColoursErrorsOnATerminalOnly) {
  std::ostringstream out, err;
  run_cli({"verfy"}, {}, {out, err, true});
  EXPECT_THAT(err.str(), HasSubstr("\x1b[31m"));
  EXPECT_THAT(ask({"verfy"}).err, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace sealstream
