// Goal: what one transaction writes follows from the records alone: each event once, in order, sealed on the
// right head. Method: the composer over a ledger in memory.
#include "ingest/composer.h"

#include <gtest/gtest.h>

#include "ingest/fakes.h"

namespace sealstream {
namespace {

using namespace sealstream::testing;
using ::testing::NiceMock;

class ComposerTest : public ::testing::Test {
 protected:
  ComposerTest() {
    partition_.claim.owner_epoch = FakeLedger(db_).claim(partition_id(0), "test", Offset(0))->owner_epoch;
  }

  void arrives(FetchedRecord record) {
    Entry& entry = entries_.emplace_back();
    entry.partition = &partition_;
    entry.next = next(record.record.offset);
    entry.fetched = std::move(record);
    Result<Event> decoded = decoder_.decode(entry.record());
    if (decoded) {
      entry.event = std::move(decoded.value());
    } else {
      refuse(entry, decoded.refusal());
    }
    composer_.identify(entry);
  }
  WriteSet compose() { return composer_.compose(entries_, ledger_); }
  void commit() {
    const WriteSet writes = compose();
    ledger_.commit(writes);
    composer_.committed(entries_, writes);
    entries_.clear();
  }

  IngestOptions options_;
  Keyring keyring_ = two_keys();
  NiceMock<MockProbe> probe_;
  FakeDatabase db_;
  FakeLedger ledger_{db_};
  Decoder decoder_;
  Composer composer_{options_, keyring_, probe_};
  OpenPartition partition_{partition_id(0), {LogEpoch(0), OwnerEpoch(0), Offset(0), std::nullopt}};
  std::vector<Entry> entries_;
};

TEST_F(ComposerTest, RowsOfATenantFormOneChainAcrossBatches) {
  arrives(login(0, "acme", "event-00"));
  arrives(login(1, "acme", "event-01"));
  commit();
  arrives(login(2, "acme", "event-02"));
  commit();
  const auto rows = db_.rows_of("acme");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].prev, Checksum{});
  for (int i = 1; i < 3; ++i) {
    EXPECT_EQ(rows[i].seq, Seq(i));
    EXPECT_EQ(rows[i].prev, rows[i - 1].checksum);
  }
}

TEST_F(ComposerTest, TenantsInterleavedInOneBatchKeepTheirOwnOrder) {
  arrives(login(0, "acme", "event-00"));
  arrives(login(1, "zeta", "event-00"));
  arrives(login(2, "acme", "event-01"));
  commit();
  EXPECT_EQ(db_.rows_of("acme").size(), 2u);
  EXPECT_EQ(db_.rows_of("zeta").size(), 1u);
  EXPECT_EQ(db_.chains["acme"].head.seq, Seq(1));
}

TEST_F(ComposerTest, SameEventTwiceInABatchIsADuplicate) {
  arrives(login(0, "acme", "event-00"));
  arrives(login(1, "acme", "event-00"));
  const WriteSet writes = compose();
  EXPECT_EQ(writes.rows.size(), 1u);
  EXPECT_EQ(writes.partitions.front().duplicate, 1);
  EXPECT_EQ(writes.partitions.front().to, Offset(2));
}

TEST_F(ComposerTest, SameIdWithOtherContentInABatchIsAConflictWithATombstone) {
  arrives(login(0, "acme", "event-00"));
  arrives(login(1, "acme", "event-00", 0, "logout"));
  const WriteSet writes = compose();
  ASSERT_EQ(writes.rows.size(), 2u);
  EXPECT_EQ(writes.rows[1].row->bytes(Column::family), "quarantined");
  EXPECT_EQ(writes.rows[1].row->bytes(Column::event_id), "!audit.events.v1/0/0/1");
  ASSERT_EQ(writes.quarantine.size(), 1u);
  EXPECT_EQ(writes.quarantine[0].refusal.reason, Reason::id_conflict);
}

TEST_F(ComposerTest, WhenTheFirstOfTwoIsRefusedTheNextTakesItsPlace) {
  arrives(login(0, "acme", "event-00"));
  arrives(login(1, "acme", "event-00", 0, "logout"));
  (void)compose();
  refuse(entries_[0], {Reason::db_rejected, "", "of the test"});
  composer_.identify(entries_[0]);
  const WriteSet writes = compose();
  ASSERT_EQ(writes.rows.size(), 2u);
  EXPECT_EQ(writes.rows[0].row->bytes(Column::family), "quarantined");
  EXPECT_EQ(writes.rows[1].row->bytes(Column::event_id), "event-00");
}

TEST_F(ComposerTest, EventThatTookAnothersPlaceIsKnownByItsId) {
  arrives(login(0, "acme", "event-00"));
  arrives(login(1, "acme", "event-00", 0, "logout"));
  arrives(login(2, "acme", "event-00", 0, "logout"));
  (void)compose();
  refuse(entries_[0], {Reason::db_rejected, "", "of the test"});
  composer_.identify(entries_[0]);
  commit();
  EXPECT_EQ(db_.rows_of("acme").size(), 2u);  // the tombstone, and one of the two others
  arrives(login(3, "acme", "event-00", 0, "logout"));
  EXPECT_EQ(compose().partitions.front().duplicate, 1);
}

TEST_F(ComposerTest, EventOfTheLastBatchesIsLookedUpAndFoundToBeADuplicate) {
  arrives(login(0, "acme", "event-00"));
  commit();
  arrives(login(1, "acme", "event-00"));
  const WriteSet writes = compose();
  EXPECT_TRUE(writes.rows.empty());
  EXPECT_EQ(writes.partitions.front().duplicate, 1);
}

TEST_F(ComposerTest, IdOfAnEarlierEventWithOtherContentIsAConflict) {
  arrives(login(0, "acme", "event-00"));
  commit();
  arrives(login(1, "acme", "event-00", 0, "logout"));
  const WriteSet writes = compose();
  ASSERT_EQ(writes.quarantine.size(), 1u);
  EXPECT_EQ(writes.quarantine[0].refusal.reason, Reason::id_conflict);
}

TEST_F(ComposerTest, NothingIsLookedUpForFreshEventsInTheMiddleOfAMonth) {
  arrives(login(0, "acme", "event-00"));
  commit();
  EXPECT_EQ(db_.lookups, 0);
}

TEST_F(ComposerTest, AfterAViolationAllIdsAreLookedUpForAHundredBatches) {
  composer_.expect_duplicates();
  for (int i = 0; i < 101; ++i) {
    arrives(login(i, "acme", "event-" + std::to_string(1000 + i)));
    commit();
  }
  EXPECT_EQ(db_.lookups, 100);
}

TEST_F(ComposerTest, EventWhoseTimeReachesIntoAnOlderLeafIsLookedUp) {
  const Timestamp first_of_october =
      Timestamp(std::chrono::sys_days(std::chrono::year(2026) / 10 / 1)) + std::chrono::hours(1);
  arrives(fetched(0, "acme", event_json("acme", "event-00", "login", "2026-10-01T00:30:00Z"), 0,
                  first_of_october));
  (void)compose();
  EXPECT_EQ(db_.lookups, 1);
}

TEST_F(ComposerTest, HeadInALaterMonthMakesOlderLeavesBeLookedUpToo) {
  Head ahead;
  ahead.seq = Seq(4);
  ahead.recorded_at = Timestamp(std::chrono::sys_days(std::chrono::year(2026) / 11 / 3));
  db_.chains["acme"].head = ahead;
  arrives(login(0, "acme", "event-00"));
  const WriteSet writes = compose();
  EXPECT_EQ(db_.lookups, 1);
  EXPECT_EQ(writes.rows[0].row->timestamp_value(Column::recorded_at), ahead.recorded_at)
      << "recorded_at never falls";
}

TEST_F(ComposerTest, RecordThatABatchLiftsIntoALaterMonthIsLookedUpInTheOlderLeaf) {
  const Timestamp october = Timestamp(std::chrono::sys_days(std::chrono::year(2026) / 10 / 1));
  arrives(fetched(0, "acme", event_json("acme", "event-00", "login", "2026-10-02T00:00:00Z"), 0, october));
  arrives(fetched(1, "acme", event_json("acme", "event-01", "login", "2026-09-15T00:00:00Z"), 0,
                  october - milliseconds(10)));
  (void)compose();
  EXPECT_EQ(db_.lookups, 1);
}

TEST_F(ComposerTest, DuplicateUnderAnOlderKeyIsStillADuplicate) {
  arrives(fetched(0, "acme", event_json("acme", "event-00"), 0, at(0)));
  commit();
  arrives(fetched(1, "acme", event_json("acme", "event-00"), 0, at(1'000'001)));
  const WriteSet writes = compose();
  EXPECT_EQ(writes.partitions.front().duplicate, 1);
}

TEST_F(ComposerTest, DuplicateWhoseKeyWasDestroyedCountsAsUnverified) {
  arrives(fetched(0, "acme", event_json("acme", "event-00")));
  commit();
  db_.rows[0].key_id = "gone";
  arrives(fetched(1, "acme", event_json("acme", "event-00", "logout")));
  EXPECT_CALL(probe_, duplicate_unverified());
  const WriteSet writes = compose();
  EXPECT_EQ(writes.partitions.front().duplicate, 1);
}

TEST_F(ComposerTest, RefusedRecordLeavesItsTombstoneInTheTenantsChain) {
  arrives(fetched(0, "acme", "{"));
  arrives(login(1, "acme", "event-00"));
  const WriteSet writes = compose();
  ASSERT_EQ(writes.rows.size(), 2u);
  EXPECT_EQ(writes.rows[0].tenant, "acme");
  EXPECT_EQ(writes.rows[0].row->bytes(Column::action), "invalid_json");
  EXPECT_EQ(writes.heads.front().events, 1);
  EXPECT_EQ(writes.heads.front().quarantined, 1);
  EXPECT_EQ(writes.partitions.front().quarantined, 1);
}

TEST_F(ComposerTest, OffsetsBetweenTwoRecordsCountAsSkipped) {
  arrives(login(0, "acme", "event-00"));
  arrives(login(3, "acme", "event-01"));
  const WriteSet writes = compose();
  EXPECT_EQ(writes.partitions.front().skipped, 2);
  EXPECT_EQ(writes.partitions.front().accepted, 2);
  EXPECT_EQ(writes.partitions.front().last->offset, Offset(3));
}

TEST_F(ComposerTest, EndAloneMovesThePositionAndKeepsTheAnchor) {
  Entry& end = entries_.emplace_back();
  end.partition = &partition_;
  end.next = Offset(7);
  const WriteSet writes = compose();
  EXPECT_TRUE(writes.rows.empty());
  EXPECT_EQ(writes.partitions.front().skipped, 7);
  EXPECT_FALSE(writes.partitions.front().last);
}

TEST_F(ComposerTest, TenantInTwoPartitionsOfATopicIsReported) {
  OpenPartition other{partition_id(4), {LogEpoch(0), OwnerEpoch(0), Offset(0), std::nullopt}};
  arrives(login(0, "acme", "event-00"));
  arrives(login(0, "acme", "event-01", 4));
  entries_[1].partition = &other;
  EXPECT_CALL(probe_, tenant_split());
  (void)compose();
}

/// An event of acme's key at that many seconds after at(0), recorded at once.
FetchedRecord key_use(std::int64_t offset, const std::string& id, std::int64_t second) {
  const std::string minute = std::to_string(second / 60 + 13);
  return fetched(offset, "acme",
                 R"({"specversion":"1.0","id":")" + id +
                     R"(","source":"test","type":"audit.api_key.used.v1","time":"2026-09-21T14:)" + minute +
                     R"(:20Z","tenantid":"acme","data":{"actor":{"type":"service","id":"s1"},)"
                     R"("status":"success","key":{"key_id":"k1"}}})",
                 0, at(second));
}

TEST_F(ComposerTest, RowThatMovesTheWatermarkPastAMinuteOfAKeyIsAStep) {
  arrives(key_use(0, "event-00", 0));
  arrives(key_use(1, "event-01", 5 * 60));
  arrives(key_use(2, "event-02", 6 * 60));
  const WriteSet writes = compose();
  ASSERT_FALSE(writes.steps.empty());
  const WindowStep& last = writes.steps.back();
  EXPECT_EQ(last.tenant, "acme");
  EXPECT_EQ(last.seq, Seq(2));
  const Timestamp minute = std::chrono::floor<std::chrono::minutes>(at(0));
  EXPECT_EQ(last.closing, (Closing{minute, minute + std::chrono::minutes(1)}));
}

TEST_F(ComposerTest, StepsDoNotDependOnWhereBatchesEnd) {
  std::vector<std::pair<Closing, Seq>> whole, parts;
  const auto record = [&](std::int64_t i) {
    return key_use(i, "event-0" + std::to_string(i), 60 * (i * 7 % 40));
  };
  for (std::int64_t i = 0; i < 8; ++i) arrives(record(i));
  for (const WindowStep& step : compose().steps) whole.emplace_back(step.closing, step.seq);
  entries_.clear();
  for (std::int64_t i = 0; i < 8; ++i) {
    arrives(record(i));
    commit();
    for (const WindowStep& step : db_.steps) parts.emplace_back(step.closing, step.seq);
  }
  EXPECT_FALSE(whole.empty());
  EXPECT_EQ(parts, whole);
}

TEST_F(ComposerTest, KeyEventsBehindTheirClosedMinuteAreCountedAsLate) {
  arrives(key_use(0, "event-00", 0));
  arrives(key_use(1, "event-01", 10 * 60));
  arrives(key_use(2, "event-02", 1 * 60));
  const WriteSet writes = compose();
  ASSERT_EQ(writes.heads.size(), 1u);
  EXPECT_EQ(writes.heads[0].late_events, 1);
}

}  // namespace
}  // namespace sealstream
