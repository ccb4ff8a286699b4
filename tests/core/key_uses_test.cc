// Goal: the uses of a key come together as one, and the latest and the first say what they say.
// Method: rows by hand, one rule each.
#include "sealstream/core/key_uses.h"

#include <gtest/gtest.h>

#include <deque>

namespace sealstream {
namespace {

Timestamp at(int second) { return Timestamp(std::chrono::seconds(second)); }

class KeyUsesTest : public testing::Test {
 protected:
  Row& used(std::string_view tenant, std::string_view key, Timestamp time) {
    Row& row = rows_.emplace_back();
    row.set_text(Column::family, "api_key");
    row.set_text(Column::action, "used");
    row.set_text(Column::key_id, key);
    row.set_timestamp(Column::event_time, time);
    tenants_.push_back(tenant);
    return row;
  }
  std::vector<KeyUses::Entry> uses() {
    uses_ = KeyUses();
    for (std::size_t i = 0; i < rows_.size(); ++i) uses_.add(tenants_[i], rows_[i]);
    std::vector<KeyUses::Entry> out;
    for (const auto* entry : uses_.sorted()) out.push_back(*entry);
    return out;
  }

  std::deque<Row> rows_;
  std::vector<std::string_view> tenants_;
  KeyUses uses_;
};

TEST_F(KeyUsesTest, AreOneATenantAndKeyAndComeByTheirBytes) {
  used("b", "k", at(1));
  used("a", "k2", at(1));
  used("a", "K", at(1));
  used("b", "k", at(1));
  std::vector<std::string> found;
  for (const auto& [key, use] : uses()) {
    found.push_back(std::string(key.tenant) + std::string(key.key_id) + std::to_string(use.count));
  }
  EXPECT_EQ(found, (std::vector<std::string>{"aK1", "ak21", "bk2"}));
}

TEST_F(KeyUsesTest, TheLatestSaysTheAddressThoughItHasNoneAndOfEqualTimesTheLaterRow) {
  const std::string_view one("\2\x20\0\4\xC0\0\2\1", 8);
  const std::string_view two("\2\x20\0\4\xC0\0\2\2", 8);
  used("a", "k", at(5)).set_ip(Column::client_ip, one);
  used("a", "k", at(4)).set_ip(Column::client_ip, two);
  EXPECT_EQ(uses()[0].second.last_at, at(5));
  EXPECT_EQ(uses()[0].second.last_ip, one);
  used("a", "k", at(5)).set_ip(Column::client_ip, two);
  EXPECT_EQ(uses()[0].second.last_ip, two);
  used("a", "k", at(6));
  EXPECT_EQ(uses()[0].second.last_at, at(6));
  EXPECT_EQ(uses()[0].second.last_ip, std::nullopt);
}

TEST_F(KeyUsesTest, TheFirstRowThatHasOneSaysHashPrefixAndTypeWhateverItsTime) {
  used("a", "k", at(9)).set_text(Column::key_prefix, "");
  Row& second = used("a", "k", at(1));
  second.set_text(Column::key_prefix, "p2");
  second.set_text(Column::key_hash, "h2");
  used("a", "k", at(2)).set_text(Column::key_hash, "h3");
  const KeyUse use = uses()[0].second;
  EXPECT_EQ(use.key_prefix, "");
  EXPECT_EQ(use.key_hash, "h2");
  EXPECT_EQ(use.key_type, std::nullopt);
}

TEST_F(KeyUsesTest, AreThoseOfRowsThatNameAKeyAndDidAuthenticate) {
  Row& row = used("a", "k", at(1));
  EXPECT_TRUE(is_key_event(row) && is_key_use(row));
  row.set_text(Column::action, "updated");
  EXPECT_TRUE(is_key_event(row) && !is_key_use(row));
  row.set_text(Column::action, "auth_failed");
  EXPECT_FALSE(is_key_event(row) || is_key_use(row));
  row.set_text(Column::action, "used");
  row.set_text(Column::family, "llm_call");
  EXPECT_FALSE(is_key_event(row) || is_key_use(row));
  row.set_text(Column::family, "api_key");
  row.clear(Column::key_id);
  EXPECT_FALSE(is_key_event(row) || is_key_use(row));
}

}  // namespace
}  // namespace sealstream
