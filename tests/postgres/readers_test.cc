// Goal: the commands read what a commit wrote, each as the role it has, and no more than that role may.
// Method: batches through the ledger, then read back as audit_operator and audit_auditor.
#include "postgres/readers.h"

#include "postgres/ledger_fixture.h"

namespace sealstream {
namespace {

class ReadersTest : public LedgerTest {
 protected:
  Connection connection_as(const std::string& role) {
    return {database_.as(role), [] {}};
  }
};

TEST_F(ReadersTest, ShowsARefusedRecordAsItWasKept) {
  TestBatch batch(partition(3), claimed(3));
  auto& refused = batch.refused("acme");
  refused.kept.key = std::nullopt;
  refused.kept.value = std::string("\0\xFF{", 3);
  refused.kept.value_length = 2'000'000;
  refused.kept.headers = {
      {"ce_id", "e1"}, {"", std::nullopt}, {"\"\\,{}", std::string("\0\xFE", 2)}, {"ce_id", ""}};
  refused.kept.redacted = true;
  refused.sqlstate = "22021";
  refused.constraint = "ledger_seq_check";
  refused.refusal.message = std::string("a\0b\xFFo\xC3\xA4", 7);
  ledger_.commit(batch.writes());

  auto as_operator = connection_as("audit_operator");
  const auto shown = show_quarantine(as_operator, {partition(3), LogEpoch(0), Offset(0)});
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->key, std::nullopt);
  EXPECT_EQ(shown->value, refused.kept.value);
  EXPECT_EQ(shown->headers, refused.kept.headers);
  const auto& entry = shown->entry;
  EXPECT_EQ(entry.place.id, partition(3));
  EXPECT_EQ(entry.kafka_timestamp, kNow);
  EXPECT_EQ(entry.tenant, "acme");
  EXPECT_EQ(entry.reason, "invalid_json");
  EXPECT_EQ(entry.member_path, "data.usage");
  EXPECT_EQ(entry.message, "a?b?o\xC3\xA4");
  EXPECT_EQ(entry.sqlstate, "22021");
  EXPECT_EQ(entry.constraint, "ledger_seq_check");
  EXPECT_EQ(entry.state, "open");
  EXPECT_TRUE(entry.redacted);
  EXPECT_EQ(entry.value_length, 2'000'000);
  EXPECT_FALSE(show_quarantine(as_operator, {partition(3), LogEpoch(0), Offset(1)}));
}

TEST_F(ReadersTest, ShowsARecordWithoutAValueAndWithoutHeaders) {
  TestBatch batch(partition(0), claimed());
  auto& refused = batch.refused("acme");
  refused.kept.value = std::nullopt;
  refused.kept.value_length = 0;
  refused.refusal.member_path = "";
  ledger_.commit(batch.writes());
  auto as_operator = connection_as("audit_operator");
  const auto shown = show_quarantine(as_operator, {partition(0), LogEpoch(0), Offset(0)});
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->key, "acme");
  EXPECT_EQ(shown->value, std::nullopt);
  EXPECT_EQ(shown->entry.value_length, std::nullopt);
  EXPECT_EQ(shown->entry.member_path, "");
  EXPECT_TRUE(shown->headers.empty());
}

TEST_F(ReadersTest, ListsByTenantReasonAndStateNewestFirst) {
  TestBatch batch(partition(0), claimed());
  batch.refused("acme");
  batch.refused("zeta").refusal.reason = Reason::schema;
  batch.refused("acme");
  ledger_.commit(batch.writes());
  auto as_operator = connection_as("audit_operator");
  const auto offsets = [&](const QuarantineFilter& filter) {
    std::string out;
    for (const auto& entry : list_quarantine(as_operator, filter)) {
      out += std::to_string(entry.place.offset.value()) + " ";
    }
    return out;
  };
  EXPECT_EQ(offsets({}), "2 1 0 ");
  EXPECT_EQ(offsets({.tenant = "acme", .reason = "", .state = "", .limit = 100}), "2 0 ");
  EXPECT_EQ(offsets({.tenant = "", .reason = "schema", .state = "open", .limit = 100}), "1 ");
  EXPECT_EQ(offsets({.tenant = "", .reason = "", .state = "released", .limit = 100}), "");
  EXPECT_EQ(offsets({.tenant = "", .reason = "", .state = "", .limit = 1}), "2 ");
}

TEST_F(ReadersTest, TheStatusCountsWhatWasCommitted) {
  TestBatch batch(partition(1), claimed(1));
  batch.event("acme", "e1");
  batch.event("zeta", "e1");
  batch.refused("acme");
  batch.skip(4).duplicate(5);
  ledger_.commit(batch.writes());
  auto as_auditor = connection_as("audit_auditor");
  const auto status = read_status(as_auditor);
  EXPECT_EQ(status.schema_version, known_schema_version());
  ASSERT_EQ(status.partitions.size(), 1U);
  const auto& position = status.partitions.front();
  EXPECT_EQ(position.id, partition(1));
  EXPECT_EQ(position.next_offset, Offset(12));
  EXPECT_EQ(position.owner, "test");
  EXPECT_EQ(position.accepted, 2);
  EXPECT_EQ(position.quarantined, 1);
  EXPECT_EQ(position.skipped, 4);
  EXPECT_EQ(position.duplicate, 5);
  EXPECT_EQ(status.chains, 2);
  EXPECT_EQ(status.events, 2);
  EXPECT_EQ(status.tombstones, 1);
  ASSERT_EQ(status.quarantine.size(), 1U);
  EXPECT_EQ(status.quarantine.front().reason, "invalid_json");
  EXPECT_EQ(status.quarantine.front().records, 1);
  EXPECT_EQ(status.leaves, (std::vector<std::string>{"ledger_y2026m11", "ledger_y2026m12"}));
}

TEST_F(ReadersTest, TheWriterMayNotReadTheQuarantine) {
  auto as_writer = connection_as("audit_writer");
  EXPECT_EQ(outcome_of([&] { list_quarantine(as_writer, {}); }), "misconfigured 42501");
}

}  // namespace
}  // namespace sealstream
