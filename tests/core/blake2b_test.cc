// Goal: the hash is BLAKE2b-512 as in RFC 7693, one message after the other.
// Method: the RFC's own vector (appendix A) and, in chain_test.cc, those of Python's hashlib.
#include "sealstream/core/blake2b.h"

#include <gtest/gtest.h>

#include "core/hex.h"

namespace sealstream {
namespace {

constexpr std::string_view kAbc =
    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923";
constexpr std::string_view kEmpty =
    "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
    "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce";

TEST(Blake2b, AnswersTheVectorOfTheRfc) {
  Blake2b hash;
  EXPECT_EQ(to_hex(as_bytes(hash.update("abc").finish())), kAbc);
}

TEST(Blake2b, TheMessageIsAllBytesSinceTheLastFinish) {
  Blake2b hash;
  hash.update("something else").finish();
  EXPECT_EQ(to_hex(as_bytes(hash.update("a").update("").update("bc").finish())), kAbc);
  EXPECT_EQ(to_hex(as_bytes(hash.finish())), kEmpty);
}

TEST(Blake2b, ItsBeginningIsTheFirstBytes) {
  Blake2b hash;
  EXPECT_EQ(to_hex(as_bytes(first<4>(hash.update("abc").finish()))), "ba80a53f");
}

}  // namespace
}  // namespace sealstream
