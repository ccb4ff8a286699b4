// Goal: a keyring is read exactly, or refused with its place and without its keys; nobody but its owner may
// read it. Method: small files.
#include "app/keyring_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "app/config_error.h"
#include "temporary_directory.h"

namespace sealstream {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F";

std::string entry(const std::string& id, const std::string& from, const std::string& key = kHex) {
  return "  - {id: " + id + ", from: " + from + ", key: " + key + "}\n";
}

std::string refusal(const std::string& yaml) {
  try {
    parse_keyring("k.yaml", yaml);
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("0001020304")));
    return error.what();
  }
  return "";
}

TEST(Keyring, IsReadFromItsFile) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("k.yaml", "keys:\n" + entry("q3", "2026-07-01T00:00:00Z") +
                                                         entry("q4", "2026-10-01", std::string(64, 'f')));
  const Keyring keyring = read_keyring(file);
  const Timestamp october = std::chrono::sys_days(std::chrono::year(2026) / 10 / 1);
  EXPECT_EQ(keyring.at(october - std::chrono::microseconds(1)).id, "q3");
  EXPECT_EQ(keyring.at(october).id, "q4");
  EXPECT_EQ(keyring.at(Timestamp()).key[31], 0x1f);
  EXPECT_EQ(keyring.find("q4")->key[0], 0xff);
}

TEST(Keyring, ThatOthersMayReadIsRefused) {
  const TemporaryDirectory directory;
  for (const mode_t mode : {0640, 0604, 0660, 0606, 0644}) {
    const std::string file = directory.write("k.yaml", "keys:\n" + entry("a", "2026-01-01"), mode);
    try {
      read_keyring(file);
      ADD_FAILURE() << "mode " << mode << " was accepted";
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("chmod 600"));
    }
  }
  EXPECT_NO_THROW(read_keyring(directory.write("k.yaml", "keys:\n" + entry("a", "2026-01-01"), 0400)));
}

TEST(Keyring, ThatIsMissingEmptyOrNoFileIsRefused) {
  const TemporaryDirectory directory;
  EXPECT_THROW(read_keyring(directory.path("absent")), ConfigError);
  EXPECT_THROW(read_keyring(directory.write("empty", "")), ConfigError);
  EXPECT_THROW(read_keyring(directory.path("")), ConfigError);
}

TEST(Keyring, NamesThePlaceOfWhatIsWrong) {
  EXPECT_THAT(refusal("keys:\n" + entry("a", "yesterday")),
              AllOf(HasSubstr("k.yaml:2:"), HasSubstr("from: allowed")));
  EXPECT_THAT(refusal("keys:\n" + entry("a b", "2026-01-01")), HasSubstr("id: allowed"));
  EXPECT_THAT(refusal("keys:\n" + entry("sk-ant-hunter2hunter2hunter2", "2026-01-01")),
              HasSubstr("id: allowed"));
  EXPECT_THAT(refusal("keys:\n" + entry("a", "2026-01-01", kHex + "00")), HasSubstr("64 hex digits"));
  EXPECT_THAT(refusal("keys:\n" + entry("a", "2026-01-01", kHex.substr(0, 63) + "g")),
              HasSubstr("64 hex digits"));
  EXPECT_THAT(refusal("keys:\n  - {idd: a, from: 2026-01-01, key: x}\n"), HasSubstr("did you mean id?"));
  EXPECT_THAT(refusal("keys:\n  - {id: a, from: 2026-01-01}\n"), HasSubstr("key is missing"));
  EXPECT_THAT(refusal("keys: []\n"), HasSubstr("not empty"));
  EXPECT_THAT(refusal("kyes: []\n"), HasSubstr("a keyring is: keys:"));
  EXPECT_THAT(refusal(""), HasSubstr("a keyring is: keys:"));
  EXPECT_THAT(refusal("keys: [\n"), HasSubstr("not YAML"));
}

TEST(Keyring, RefusesMomentsThatDoNotExist) {
  for (const char* moment : {"2026-02-29", "2026-13-01", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z",
                             "2026-01-01T00:00:00+01:00", "2026-1-1"}) {
    EXPECT_THAT(refusal("keys:\n" + entry("a", moment)), HasSubstr("from: allowed")) << moment;
  }
}

TEST(Keyring, RefusesEntriesOutOfOrderAndIdsGivenTwice) {
  EXPECT_NE(refusal("keys:\n" + entry("a", "2026-02-01") + entry("b", "2026-01-01")), "");
  EXPECT_NE(refusal("keys:\n" + entry("a", "2026-01-01") + entry("a", "2026-02-01")), "");
}

}  // namespace
}  // namespace sealstream
