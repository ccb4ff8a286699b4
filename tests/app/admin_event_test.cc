// Goal: what a command publishes is what the ingester takes, mapped to the columns that the contract reads.
// Method: events are written and then decoded as the ingester does.
#include "app/admin_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "app/command_line.h"
#include "sealstream/core/event.h"

namespace sealstream {
namespace {

using testing::HasSubstr;

constexpr const char* kAnomaly = "2f0c0d8e-5f5c-7e55-9c0a-0a4b6f1c2d3e";

AdminEvent resolving(const PublishRequest& request = {.reason = "rotated \"it\"", .by = "ada"}) {
  AdminEvent event = new_admin_event(request, "acme", "resolve");
  event.resource_type = "api_key_anomaly";
  event.resource_id = kAnomaly;
  return event;
}

Event decoded(const AdminEvent& event) {
  const std::string value = event_json(event);
  Record record{};
  record.timestamp = event.time;
  record.key = event.tenant;
  record.value = value;
  Decoder decoder;
  return decoder.decode(record).value();
}

std::string refusal(const AdminEvent& event) {
  try {
    event_json(event);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(AdminEvent, OfAResolvedAnomalyIsReadAsTheContractSays) {
  const AdminEvent event = resolving();
  const Event read = decoded(event);
  EXPECT_EQ(read.tenant, "acme");
  EXPECT_EQ(read.id, event.id);
  EXPECT_EQ(read.family, Family::admin);
  EXPECT_EQ(read.time, event.time);
  EXPECT_EQ(read.row.bytes(Column::action), "resolve");
  EXPECT_EQ(read.row.bytes(Column::source), "sealstream");
  EXPECT_EQ(read.row.bytes(Column::status), "success");
  EXPECT_EQ(read.row.bytes(Column::actor_type), "user");
  EXPECT_EQ(read.row.bytes(Column::user_id), "ada");
  EXPECT_EQ(read.row.bytes(Column::resource_type), "api_key_anomaly");
  EXPECT_EQ(read.row.bytes(Column::resource_id), kAnomaly);
  EXPECT_THAT(std::string(read.row.bytes(Column::personal_detail)), HasSubstr(R"(rotated \"it\")"));
}

TEST(AdminEvent, OfAnErasureNamesItsRowsWhereTheyAreNotPersonal) {
  AdminEvent event = new_admin_event({.reason = "", .by = "ada"}, "acme", "erase");
  event.resource_type = "ledger_rows";
  for (std::int64_t i = 0; i < 1'000; ++i)
    event.erased_seqs.push_back({Seq(1'000'000'000'000 + 3 * i), Seq(1'000'000'000'001 + 3 * i)});
  const Event read = decoded(event);
  EXPECT_TRUE(is_erasure(read.row));
  EXPECT_EQ(erased_seqs(read.row, Seq(2'000'000'000'000)), event.erased_seqs);
  EXPECT_FALSE(read.row.has(Column::resource_id));
  event.erased_seqs.push_back({Seq(0), Seq(0)});
  EXPECT_THAT(refusal(event), HasSubstr("erased_seqs"));
}

TEST(AdminEvent, OfAnAcceptedLossSaysWhatWasAndWhatIs) {
  AdminEvent event = new_admin_event({.reason = "the disk is gone", .by = "ada"}, "_sealstream", "reset");
  event.resource_type = "partition";
  event.before = R"({"next_offset":20})";
  event.after = R"({"next_offset":33})";
  event.rows = 13;
  const Event read = decoded(event);
  EXPECT_EQ(read.tenant, "_sealstream");
  EXPECT_EQ(read.row.bytes(Column::detail), R"({"rows": 13})");
  const std::string personal(read.row.bytes(Column::personal_detail));
  EXPECT_THAT(personal, HasSubstr(R"("before": {"next_offset": 20})"));
  EXPECT_THAT(personal, HasSubstr(R"("after": {"next_offset": 33})"));
}

TEST(AdminEvent, HasAnIdOfItsOwn) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) ids.insert(resolving().id);
  EXPECT_EQ(ids.size(), 100U);
  EXPECT_TRUE(std::regex_match(
      *ids.begin(), std::regex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
}

TEST(AdminEvent, OfNobodyNamedIsOfTheOneLoggedIn) {
  const std::string actor = resolving({.reason = "r", .by = ""}).actor;
  EXPECT_FALSE(actor.empty());
}

TEST(AdminEvent, ThatTheIngesterWouldRefuseIsNotPublished) {
  EXPECT_THAT(refusal(resolving({.reason = std::string(257, 'x'), .by = "ada"})), HasSubstr("data.reason"));
  EXPECT_THAT(refusal(resolving({.reason = "r", .by = std::string(129, 'x')})), HasSubstr("data.actor.id"));
  AdminEvent event = resolving();
  event.tenant = "no such/tenant";
  EXPECT_THAT(refusal(event), HasSubstr("tenant"));
}

TEST(Await, AsksUntilItIsThereOrTheTimeIsOver) {
  int asked = 0;
  EXPECT_TRUE(await(10'000, [&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3);
  asked = 0;
  EXPECT_FALSE(await(0, [&] { return ++asked == 0; }));
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace sealstream
