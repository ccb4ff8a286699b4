// Goal: one call tells the heads and which ids are in the ledger, in the order asked, in every leaf that
// counts. Method: rows in several leaves of the real server; leaves that come and go between the calls.
#include <gtest/gtest.h>

#include "postgres/ledger_fixture.h"

namespace sealstream {
namespace {

constexpr Timestamp kDecember = kNow + std::chrono::days(20);
constexpr Timestamp kJanuary = kNow + std::chrono::days(50);

class LedgerPrepareTest : public LedgerTest {
 protected:
  /// Seq of what is stored under each id, "-" for none.
  std::string stored(const std::vector<IdQuery>& ids) {
    std::string out;
    for (const auto& event : ledger_.prepare({}, ids).stored) {
      out += (event ? std::to_string(event->seq.value()) : "-") + " ";
    }
    return out;
  }
};

TEST_F(LedgerPrepareTest, NothingAskedIsNothingAnswered) {
  const auto prepared = ledger_.prepare({}, {});
  EXPECT_TRUE(prepared.chains.empty());
  EXPECT_TRUE(prepared.stored.empty());
}

TEST_F(LedgerPrepareTest, HeadsComeInTheOrderAskedAndTheDefaultWhereThereIsNone) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1");
  batch.event("acme", "e2", kNow + std::chrono::microseconds(7));
  batch.event("zeta", "e1");
  ledger_.commit(batch.writes());
  const std::vector<std::string_view> tenants = {"zeta", "nobody", "acme"};
  const auto prepared = ledger_.prepare(tenants, {});
  ASSERT_EQ(prepared.chains.size(), 3U);
  EXPECT_EQ(prepared.chains[0].head, batch.head("zeta"));
  EXPECT_EQ(prepared.chains[1].head, Head{});
  EXPECT_EQ(prepared.chains[2].head, batch.head("acme"));
}

TEST_F(LedgerPrepareTest, IdsComeInTheOrderAskedWithWhatTellsADuplicateFromAConflict) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1").set_text(Column::personal_key_id, "2026-q4");
  batch.event("acme", "e2");
  batch.event("zeta", "e2");
  ledger_.commit(batch.writes());
  const std::vector<IdQuery> ids = {{"acme", "e2", kNow},
                                    {"acme", "nothing", kNow},
                                    {"zeta", "e2", kNow},
                                    {"zeta", "e1", kNow},
                                    {"acme", "e1", kNow}};
  EXPECT_EQ(stored(ids), "1 - 0 - 0 ");
  const auto event = ledger_.prepare({}, ids).stored.back();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->personal_key_id, "2026-q4");
  EXPECT_EQ(as_bytes(event->digest), "0123456789abcdef");
}

TEST_F(LedgerPrepareTest, OnlyLeavesThatEndAfterTheMomentAreAsked) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "november", kNow);
  batch.event("acme", "december", kDecember);
  ledger_.commit(batch.writes());
  EXPECT_EQ(stored({{"acme", "november", kNow}, {"acme", "december", kNow}}), "0 1 ");
  EXPECT_EQ(stored({{"acme", "november", kDecember}, {"acme", "december", kDecember}}), "- 1 ");
  EXPECT_EQ(stored({{"acme", "november", kJanuary}, {"acme", "december", kJanuary}}), "- - ");
}

TEST_F(LedgerPrepareTest, ALeafThatCameSinceTheLastLookupIsAskedToo) {
  EXPECT_EQ(stored({{"acme", "january", kNow}}), "- ");
  auto other = ledger_as("audit_writer");
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "january", kJanuary);
  other.commit(batch.writes());
  EXPECT_EQ(stored({{"acme", "january", kNow}}), "0 ");
}

TEST_F(LedgerPrepareTest, ALeafThatWentSinceTheLastLookupIsNotMissed) {
  TestBatch batch(partition(0), claimed());
  batch.event("acme", "e1");
  ledger_.commit(batch.writes());
  EXPECT_EQ(stored({{"acme", "e1", kNow}}), "0 ");
  run("DROP TABLE audit.ledger_y2026m12");
  EXPECT_EQ(stored({{"acme", "e1", kNow}}), "0 ");
}

TEST_F(LedgerPrepareTest, TwentyThousandIdsAndHeadsAreOneCall) {
  TestBatch batch(partition(0), claimed());
  std::vector<std::string> names;
  for (int i = 0; i < 20'000; ++i) names.push_back("tenant" + std::to_string(i));
  for (std::size_t i = 0; i < names.size(); i += 2) batch.event(names[i], "e");
  ledger_.commit(batch.writes());
  std::vector<IdQuery> ids;
  for (const auto& name : names) ids.push_back({name, "e", kNow});
  const std::vector<std::string_view> tenants(names.begin(), names.end());
  const auto prepared = ledger_.prepare(tenants, ids);
  int heads = 0;
  int events = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(prepared.chains[i].head.seq, Seq(i % 2 == 0 ? 0 : -1));
    EXPECT_EQ(prepared.stored[i].has_value(), i % 2 == 0);
    heads += prepared.chains[i].head.seq == Seq(0);
    events += prepared.stored[i].has_value();
  }
  EXPECT_EQ(heads, 10'000);
  EXPECT_EQ(events, 10'000);
}

TEST_F(LedgerPrepareTest, NamesThatLookLikeSqlAreOnlyNames) {
  const std::string tenant = "a'; DROP TABLE audit.ledger; --\\";
  TestBatch batch({"topic'\\\"", Partition(1)},
                  ledger_.claim({"topic'\\\"", Partition(1)}, "o'\\wner", Offset(0)).value());
  batch.event(tenant, "e'\\1");
  ledger_.commit(batch.writes());
  const std::vector<std::string_view> tenants = {tenant};
  const std::vector<IdQuery> ids = {{tenant, "e'\\1", kNow}};
  const auto prepared = ledger_.prepare(tenants, ids);
  EXPECT_EQ(prepared.chains.front().head, batch.head(tenant));
  EXPECT_TRUE(prepared.stored.front());
}

TEST_F(LedgerPrepareTest, LeavesAheadOfTimeAreMadeOnce) {
  ledger_.ensure_leaves(kNow, 3);
  ledger_.ensure_leaves(kNow, 3);
  EXPECT_EQ(value("SELECT string_agg(relid::text, ' ' ORDER BY relid::text) FROM"
                  " pg_partition_tree('audit.ledger') WHERE isleaf"),
            "audit.ledger_y2026m11 audit.ledger_y2026m12 audit.ledger_y2027m01 audit.ledger_y2027m02");
}

}  // namespace
}  // namespace sealstream
