// Goal: the example file, the JSON Schema and the table of keys say the same; what is printed holds no
// secret. Method: the files of the repository against what the program prints, and what is printed read
// again.
#include "app/config_print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "sealstream/core/json_text.h"
#include "temporary_directory.h"

namespace sealstream {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string file_of_repository(const std::string& name) {
  std::ifstream in(std::string(SEALSTREAM_SOURCE_DIR) + "/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(ExampleFile, IsWhatTheProgramPrints) {
  EXPECT_EQ(file_of_repository("deploy/sealstream.example.yaml"), example_yaml())
      << "sealstream print-config --example > deploy/sealstream.example.yaml";
}

TEST(ConfigSchema, IsWhatTheProgramPrints) {
  EXPECT_EQ(file_of_repository("schemas/sealstream.config.schema.json"), config_schema())
      << "sealstream print-config --schema > schemas/sealstream.config.schema.json";
  EXPECT_TRUE(json_text(config_schema()).has_value());
}

TEST(ExampleFile, HoldsEveryKeyAtItsDefault) {
  const Settings read = read_settings("/etc/sealstream/sealstream.yaml", example_yaml(), {});
  const Settings defaults = default_settings();
  for (const ConfigKey& key : config_keys()) {
    EXPECT_FALSE(read.at(key.path).origin.is_default()) << key.path;
    EXPECT_EQ(read.at(key.path).text, defaults.at(key.path).text) << key.path;
    EXPECT_EQ(read.at(key.path).items, defaults.at(key.path).items) << key.path;
  }
}

TEST(ConfigKeys, HaveAUnitInTheNameWhereTheyHaveOne) {
  for (const ConfigKey& key : config_keys()) {
    if (key.type != KeyType::integer || key.path.ends_with(".port")) continue;
    const bool has_unit = key.path.ends_with("_ms") || key.path.ends_with("_bytes") ||
                          key.path.ends_with("_months") || key.path.find("_rows") != std::string_view::npos;
    EXPECT_TRUE(has_unit) << key.path;
  }
}

class PrintedConfig : public testing::Test {
 protected:
  Config config() {
    const std::string password = directory.write("password", "hunter2\n");
    return make_config(
        directory.path("sealstream.yaml"),
        "kafka: {brokers: 'localhost:9092', property_files: {sasl.password: password}}\n"
        "postgres: {host: localhost, database: 'a: # \"b', writer: {password_file: password}}\n"
        "keyring_file: keyring.yaml\n",
        {{"SEALSTREAM__INGEST__LINGER_MS", "7"}});
  }
  TemporaryDirectory directory;
};

TEST_F(PrintedConfig, NamesTheOriginOfEachValue) {
  const std::string yaml = effective_yaml(config());
  EXPECT_THAT(yaml, HasSubstr("linger_ms: 7  # environment SEALSTREAM__INGEST__LINGER_MS\n"));
  EXPECT_THAT(yaml, HasSubstr("batch_rows: 5000  # default\n"));
  EXPECT_THAT(yaml, HasSubstr("sealstream.yaml:1:9\n"));
}

TEST_F(PrintedConfig, MasksSecrets) {
  for (const std::string& text : {effective_yaml(config()), effective_json(config())}) {
    EXPECT_THAT(text, Not(HasSubstr("hunter2")));
    EXPECT_THAT(text, HasSubstr("***"));
  }
}

TEST_F(PrintedConfig, ReplacesSecretsThatStandWhereNoneBelongs) {
  const Config config =
      make_config("sealstream.yaml",
                  "kafka: {brokers: 'sk-ant-hunter2hunter2hunter2:9092', allow_plaintext: true,"
                  " property_files: {sk-ant-hunter2hunter2hunter2: sk-ant-hunter2hunter2hunter2}}\n"
                  "postgres: {host: 'postgresql://bob:hunter2@localhost/', database: audit}\n"
                  "keyring_file: sk-ant-hunter2hunter2hunter2\n",
                  {});
  for (const std::string& text : {effective_yaml(config), effective_json(config)}) {
    EXPECT_THAT(text, Not(HasSubstr("hunter2")));
    EXPECT_THAT(text, HasSubstr("[REDACTED:anthropic-key]"));
  }
}

TEST_F(PrintedConfig, CanBeReadAgain) {
  const Config first = config();
  const Config again = make_config(directory.path("other.yaml"), effective_yaml(first), {});
  for (const ConfigKey& key : config_keys()) {
    EXPECT_EQ(again.settings.at(key.path).text, first.settings.at(key.path).text) << key.path;
    EXPECT_EQ(again.settings.at(key.path).entries, first.settings.at(key.path).entries) << key.path;
  }
}

TEST_F(PrintedConfig, IsValidJson) { EXPECT_TRUE(json_text(effective_json(config())).has_value()); }

}  // namespace
}  // namespace sealstream
