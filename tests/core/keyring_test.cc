// Goal: at every time exactly one key is in force, and a keyring that leaves a doubt is refused.
// Method: a ring of two keys, asked around its borders; every kind of bad ring.
#include "sealstream/core/keyring.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

Timestamp at_second(std::int64_t second) { return Timestamp(std::chrono::seconds(second)); }

KeyEntry key(std::string id, std::int64_t from) { return {std::move(id), at_second(from), {}}; }

TEST(Keyring, AKeyIsInForceFromItsBeginningUntilTheNextOnes) {
  const Keyring keyring({key("a", 100), key("b", 200)});
  EXPECT_EQ(keyring.at(at_second(100)).id, "a");
  EXPECT_EQ(keyring.at(at_second(200) - std::chrono::microseconds(1)).id, "a");
  EXPECT_EQ(keyring.at(at_second(200)).id, "b");
  EXPECT_EQ(keyring.at(Timestamp::max()).id, "b");
}

TEST(Keyring, TheFirstKeyCoversAllEarlierTimes) {
  const Keyring keyring({key("a", 100), key("b", 200)});
  EXPECT_EQ(keyring.at(at_second(-1)).id, "a");
  EXPECT_EQ(keyring.at(Timestamp::min()).id, "a");
}

TEST(Keyring, FindsAKeyByItsIdAndADestroyedOneNot) {
  const Keyring keyring({key("a", 100), key("b", 200)});
  ASSERT_NE(keyring.find("b"), nullptr);
  EXPECT_EQ(keyring.find("b")->from, at_second(200));
  EXPECT_EQ(keyring.find("c"), nullptr);
}

TEST(Keyring, ARingThatLeavesADoubtIsRefused) {
  EXPECT_THROW(Keyring({}), std::invalid_argument);
  EXPECT_THROW(Keyring({key("", 1)}), std::invalid_argument);
  EXPECT_THROW(Keyring({key("a", 1), key("a", 2)}), std::invalid_argument);
  EXPECT_THROW(Keyring({key("a", 2), key("b", 1)}), std::invalid_argument);
  EXPECT_THROW(Keyring({key("a", 1), key("b", 1)}), std::invalid_argument);
}

}  // namespace
}  // namespace sealstream
