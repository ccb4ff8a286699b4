// Goal: a mistyped word is answered with the one that was meant, and with nothing where nothing is close.
// Method: pairs of words.
#include "app/suggest.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

constexpr std::string_view kWords[] = {"run", "check-config", "print-config", "migrate", "verify", "status"};

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("verify", "verify"), 0U);
  EXPECT_EQ(edit_distance("verfy", "verify"), 1U);
  EXPECT_EQ(edit_distance("verrify", "verify"), 1U);
  EXPECT_EQ(edit_distance("verifi", "verify"), 1U);
  EXPECT_EQ(edit_distance("verfiy", "verify"), 1U);
  EXPECT_EQ(edit_distance("", "run"), 3U);
}

TEST(EditDistance, IgnoresCase) { EXPECT_EQ(edit_distance("VERIFY", "verify"), 0U); }

TEST(Closest, FindsTheWordThatWasMeant) {
  EXPECT_EQ(closest("verfy", kWords), "verify");
  EXPECT_EQ(closest("chekc-config", kWords), "check-config");
  EXPECT_EQ(closest("rn", kWords), "run");
}

TEST(Closest, SaysNothingWhereNothingIsClose) {
  EXPECT_EQ(closest("xylophone", kWords), "");
  EXPECT_EQ(closest("", kWords), "");
  EXPECT_EQ(did_you_mean("xylophone", kWords), "");
}

TEST(Closest, EndsForWordsOfAnyLength) { EXPECT_EQ(closest(std::string(1'000'000, 'x'), kWords), ""); }

}  // namespace
}  // namespace sealstream
