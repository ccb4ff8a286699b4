// Goal: whatever is written, the text is one line of valid JSON that says the same.
// Method: known texts, and hostile bytes read back by the ledger's own JSON reader.
#include "app/json_writer.h"

#include <gtest/gtest.h>

#include "sealstream/core/json_text.h"

namespace sealstream {
namespace {

TEST(JsonWriter, NestsObjectsAndArrays) {
  JsonWriter json;
  json.begin_object().member("a", 1).member("b", "x").key("c").begin_array().value(true).null().end_array();
  json.key("d").begin_object().end_object().end_object();
  EXPECT_EQ(json.text(), R"({"a":1,"b":"x","c":[true,null],"d":{}})");
}

TEST(JsonString, EscapesQuotesBackslashesAndControls) {
  EXPECT_EQ(json_string("a\"b\\c\nd\x1b[31m\x7f"), R"("a\"b\\c\nd\u001b[31m\u007f")");
}

TEST(JsonString, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(json_string("a\xff"
                        "b"),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(json_string("\xed\xa0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"") << "a lone surrogate";
  EXPECT_EQ(json_string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

TEST(JsonString, IsValidForEveryPairOfBytes) {
  for (int high = 1; high < 256; ++high) {
    for (int low = 1; low < 256; ++low) {
      const std::string bytes = {static_cast<char>(high), static_cast<char>(low)};
      const std::string text = json_string(bytes);
      ASSERT_TRUE(json_text(text).has_value()) << high << " " << low;
      ASSERT_EQ(text.find('\n'), std::string::npos);
    }
  }
}

TEST(IsUtf8, TellsTextFromBytes) {
  EXPECT_TRUE(is_utf8("plain \xc3\xa9"));
  EXPECT_FALSE(is_utf8("\xc3"));
  EXPECT_FALSE(is_utf8("\xf5\x80\x80\x80"));
}

TEST(Base64, MatchesTheVectorsOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

}  // namespace
}  // namespace sealstream
