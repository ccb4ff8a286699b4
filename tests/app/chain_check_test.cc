// Goal: whatever is changed in a sealed chain, the check names the row and what is wrong with it; and an
// intact chain, erased rows included, has no fault. Method: a chain sealed in memory is tampered with in
// every way that a row or a head allows, then checked. tests/postgres/verify_test.cc does the same in a real
// ledger.
#include "app/chain_check.h"

#include <gtest/gtest.h>

namespace sealstream {
namespace {

Timestamp at(std::int64_t second) { return Timestamp(std::chrono::seconds(second)); }

Keyring one_key(std::string id, std::uint8_t byte) {
  PersonalKey key{};
  key.fill(byte);
  return Keyring({KeyEntry{std::move(id), at(0), key}});
}

/// A row as it is stored, owning its bytes.
struct Stored {
  std::optional<Seq> seq;
  std::string prev_checksum;
  std::string checksum;
  Row row;
};

class ChainCheckTest : public testing::Test {
 protected:
  static constexpr std::int64_t kBegin = 1'790'900'000;

  Row event(std::string_view user) {
    Row row;
    const auto number = static_cast<std::int64_t>(rows_.size());
    row.set_text(Column::event_id, "event-" + std::to_string(number));
    row.set_text(Column::family, "auth");
    row.set_text(Column::action, "login");
    row.set_text(Column::kafka_topic, "audit.events.v1");
    row.set_int(Column::kafka_partition, 3);
    row.set_int(Column::kafka_log_epoch, 0);
    row.set_int(Column::kafka_offset, 100 + number);
    if (!user.empty()) row.set_text(Column::user_id, user);
    return row;
  }

  void append(Row row) {
    const Timestamp timestamp = at(kBegin + static_cast<std::int64_t>(rows_.size()));
    Record record{};
    record.timestamp = timestamp;
    sealer_.identify(record, "acme", row);
    seal(std::move(row), timestamp);
  }

  /// Seals without a look at what it seals.
  void seal(Row row, Timestamp timestamp) {
    const Checksum prev = head_.checksum;
    const Checksum checksum = sealer_.seal("acme", timestamp, row, head_);
    rows_.push_back(
        {head_.seq, std::string(as_bytes(prev)), std::string(as_bytes(checksum)), std::move(row)});
  }

  void append_events(int count) {
    for (int i = 0; i < count; ++i) append(event(i % 3 == 2 ? "" : "u-" + std::to_string(i)));
  }

  void append_erasure(std::string_view ranges) {
    Row row = event("operator");
    row.set_text(Column::family, "admin");
    row.set_text(Column::action, "erase");
    row.set_text(Column::resource_type, "ledger_rows");
    row.set_json(Column::detail, R"({"erased_seqs": )" + std::string(ranges) + "}");
    append(std::move(row));
  }

  StoredHead head() const {
    const auto rows = static_cast<std::int64_t>(rows_.size());
    return {"acme", head_.seq, std::string(as_bytes(head_.checksum)), head_.recorded_at, rows, 0};
  }

  ChainVerdict check(const Keyring* keyring, std::optional<StoredHead> head, bool from_the_middle = false) {
    ChainCheck check(sealer_, keyring, "acme", from_the_middle);
    for (const Stored& stored : rows_) {
      check.take({"acme", stored.seq, stored.prev_checksum, stored.checksum, stored.row});
    }
    return check.finish(head ? &*head : nullptr);
  }
  ChainVerdict check() { return check(&keys_, head()); }

  void expect_fault(const ChainVerdict& verdict, Wrong wrong, std::int64_t seq) {
    ASSERT_FALSE(verdict.faults.empty());
    const Fault& fault = verdict.faults.front();
    EXPECT_EQ(name(fault.verdict), "tampered");
    EXPECT_EQ(name(fault.wrong), name(wrong)) << fault.detail;
    ASSERT_TRUE(fault.seq);
    EXPECT_EQ(fault.seq->value(), seq) << fault.detail;
    EXPECT_EQ(fault.tenant, "acme");
  }

  const Keyring keys_ = one_key("2026q4", 7);
  Sealer sealer_{keys_};
  Head head_;
  std::vector<Stored> rows_;
};

TEST_F(ChainCheckTest, AnIntactChainHasNoFault) {
  append_events(6);
  const ChainVerdict verdict = check();
  EXPECT_TRUE(verdict.faults.empty());
  EXPECT_EQ(verdict.rows, 6);
  EXPECT_EQ(verdict.personal.opened, 4);
  EXPECT_EQ(verdict.personal.none, 2);
}

TEST_F(ChainCheckTest, AChangedColumnIsFoundAtItsRow) {
  append_events(4);
  rows_[2].row.set_text(Column::action, "logout");
  expect_fault(check(), Wrong::checksum, 2);
}

TEST_F(ChainCheckTest, AColumnSetToNullOrToTheEmptyStringIsFound) {
  append_events(4);
  const Row before = rows_[1].row;
  rows_[1].row.clear(Column::action);
  expect_fault(check(), Wrong::checksum, 1);
  rows_[1].row = before;
  rows_[1].row.set_text(Column::status, "");
  expect_fault(check(), Wrong::checksum, 1);
}

TEST_F(ChainCheckTest, AChangedChecksumIsFoundAtItsRow) {
  append_events(4);
  rows_[1].checksum[5] ^= 1;
  expect_fault(check(), Wrong::checksum, 1);
}

TEST_F(ChainCheckTest, AChangedPrevChecksumIsFoundAtItsRow) {
  append_events(4);
  rows_[3].prev_checksum[63] ^= 1;
  expect_fault(check(), Wrong::checksum, 3);
}

TEST_F(ChainCheckTest, ARowChangedTogetherWithItsChecksumIsFoundAtTheNextOne) {
  append_events(4);
  rows_[1].row.set_text(Column::action, "logout");
  Checksum prev;
  std::copy(rows_[1].prev_checksum.begin(), rows_[1].prev_checksum.end(), prev.begin());
  rows_[1].checksum = as_bytes(sealer_.checksum("acme", Seq(1), prev, rows_[1].row));
  expect_fault(check(), Wrong::checksum, 2);
}

TEST_F(ChainCheckTest, AMissingRowIsFoundWhereverItStood) {
  append_events(5);
  const std::vector<Stored> all = rows_;
  for (const std::int64_t missing : {0, 2, 3}) {
    rows_ = all;
    rows_.erase(rows_.begin() + missing);
    StoredHead whole = head();
    expect_fault(check(&keys_, whole), Wrong::gap, missing);
  }
  rows_ = all;
  rows_.pop_back();
  expect_fault(check(), Wrong::head, 4);
}

TEST_F(ChainCheckTest, ARowTwiceIsFound) {
  append_events(4);
  rows_.insert(rows_.begin() + 2, rows_[1]);
  expect_fault(check(), Wrong::order, 1);
}

TEST_F(ChainCheckTest, SwappedRowsAreFoundAtTheFirst) {
  append_events(4);
  std::swap(rows_[1].row, rows_[2].row);
  expect_fault(check(), Wrong::checksum, 1);
}

TEST_F(ChainCheckTest, ARowWithoutSeqIsFound) {
  append_events(2);
  rows_.push_back(rows_[1]);
  rows_[2].seq.reset();
  const ChainVerdict verdict = check();
  ASSERT_FALSE(verdict.faults.empty());
  EXPECT_EQ(verdict.faults[0].wrong, Wrong::order);
}

TEST_F(ChainCheckTest, OffsetsThatDoNotRiseAreFoundEvenIfTheyWereSealed) {
  append_events(2);
  Row row = event("");
  row.set_int(Column::kafka_offset, 101);
  append(std::move(row));
  expect_fault(check(), Wrong::order, 2);
}

TEST_F(ChainCheckTest, OffsetsRiseAnewInAHigherLogEpochAndInAnotherPartition) {
  append_events(2);
  Row row = event("");
  row.set_int(Column::kafka_offset, 0);
  row.set_int(Column::kafka_log_epoch, 1);
  append(row);
  row.set_int(Column::kafka_partition, 4);
  row.set_int(Column::kafka_log_epoch, 0);
  append(row);
  EXPECT_TRUE(check().faults.empty());
}

TEST_F(ChainCheckTest, RecordedAtThatFallsIsFoundEvenIfItWasSealed) {
  append_events(2);
  head_.recorded_at = at(0);
  Row row = event("");
  Record record{};
  sealer_.identify(record, "acme", row);
  seal(std::move(row), at(5));
  expect_fault(check(), Wrong::order, 2);
}

TEST_F(ChainCheckTest, AHeadThatDisagreesIsFound) {
  append_events(3);
  StoredHead other = head();
  other.checksum[0] ^= 1;
  expect_fault(check(&keys_, other), Wrong::head, 2);
  other = head();
  other.seq = Seq(1);
  expect_fault(check(&keys_, other), Wrong::head, 2);
  other = head();
  other.seq = Seq(7);
  expect_fault(check(&keys_, other), Wrong::head, 3);
  other = head();
  other.recorded_at += std::chrono::microseconds(1);
  expect_fault(check(&keys_, other), Wrong::head, 2);
  expect_fault(check(&keys_, std::nullopt), Wrong::head, 2);
}

TEST_F(ChainCheckTest, AHeadThatCountsOtherwiseIsIncomplete) {
  append_events(3);
  StoredHead other = head();
  other.events = 4;
  const ChainVerdict verdict = check(&keys_, other);
  ASSERT_EQ(verdict.faults.size(), 1u);
  EXPECT_EQ(verdict.faults[0].verdict, Verdict::incomplete);
  EXPECT_EQ(verdict.faults[0].wrong, Wrong::counters);
}

TEST_F(ChainCheckTest, AChangedPersonalValueIsFoundAtItsRow) {
  append_events(4);
  rows_[1].row.set_text(Column::user_id, "somebody else");
  expect_fault(check(), Wrong::personal_value, 1);
}

TEST_F(ChainCheckTest, APersonalValuePutWhereNoneWasIsFoundWithoutAnyKey) {
  append_events(4);
  rows_[2].row.set_text(Column::user_id, "u-2");
  expect_fault(check(nullptr, head()), Wrong::personal_value, 2);
}

TEST_F(ChainCheckTest, PersonalValuesThatAreGoneWithoutAnErasureAreFoundWithoutAnyKey) {
  append_events(4);
  rows_[3].row.clear(Column::user_id);
  rows_[1].row.clear(Column::user_id);
  expect_fault(check(nullptr, head()), Wrong::personal_value, 1);
}

TEST_F(ChainCheckTest, PersonalValuesWithoutTheirKeyAreUnchecked) {
  append_events(4);
  EXPECT_EQ(check(nullptr, head()).personal.unchecked, 3);
  const Keyring other = one_key("2027q1", 7);
  EXPECT_EQ(check(&other, head()).personal.unchecked, 3);
}

TEST_F(ChainCheckTest, AnErasureAccountsForTheRowsThatItNames) {
  append_events(4);
  append_erasure("[[0, 0], [1, 1]]");
  append_erasure("[[1, 3]]");
  rows_[0].row.clear(Column::user_id);
  rows_[1].row.clear(Column::user_id);
  rows_[3].row.clear(Column::user_id);
  const ChainVerdict verdict = check();
  EXPECT_TRUE(verdict.faults.empty());
  EXPECT_EQ(verdict.personal.erased, 3);
  ASSERT_EQ(verdict.erasures.size(), 2u);
  EXPECT_EQ(verdict.erasures[0].event, Seq(4));
  EXPECT_EQ(verdict.erasures[0].rows, 2);
  EXPECT_EQ(verdict.erasures[1].event, Seq(5));
  EXPECT_EQ(verdict.erasures[1].rows, 1);
}

TEST_F(ChainCheckTest, AnErasureAccountsForNoOtherRow) {
  append_events(4);
  append_erasure("[[0, 0], [2, 2]]");
  rows_[0].row.clear(Column::user_id);
  rows_[1].row.clear(Column::user_id);
  expect_fault(check(), Wrong::personal_value, 1);
}

TEST_F(ChainCheckTest, AnErasureThatIsNotDoneYetIsNoFaultAndItsRowsAreCounted) {
  append_events(8);  // 2 and 5 have no personal values
  append_erasure("[[0, 2], [4, 5]]");
  append_erasure("[[1, 1], [7, 7]]");
  rows_[0].row.clear(Column::user_id);
  const ChainVerdict verdict = check();
  EXPECT_TRUE(verdict.faults.empty());
  EXPECT_EQ(verdict.personal.erased, 1);
  ASSERT_EQ(verdict.half_erased.size(), 2u);
  EXPECT_EQ(verdict.half_erased[0].event, Seq(8));
  EXPECT_EQ(verdict.half_erased[0].rows, 2);
  EXPECT_EQ(verdict.half_erased[1].event, Seq(9));
  EXPECT_EQ(verdict.half_erased[1].rows, 1);
  EXPECT_EQ(check(nullptr, head()).half_erased.size(), 2u) << "no key is needed";
}

TEST_F(ChainCheckTest, OneValueLeftOfAnErasedRowIsTamperingAndHalfErased) {
  Row two = event("u-0");
  two.set_text(Column::user_name, "Zoe");
  append(std::move(two));
  append_erasure("[[0, 0]]");
  rows_[0].row.clear(Column::user_id);
  const ChainVerdict verdict = check();
  expect_fault(verdict, Wrong::personal_value, 0);
  ASSERT_EQ(verdict.half_erased.size(), 1u);
}

TEST_F(ChainCheckTest, FromTheMiddleOnlyRowsThatAreReadCountAsHalfErased) {
  append_events(5);
  append_erasure("[[0, 4]]");
  const StoredHead whole = head();
  rows_.erase(rows_.begin(), rows_.begin() + 3);
  const ChainVerdict verdict = check(&keys_, whole, true);
  ASSERT_EQ(verdict.half_erased.size(), 1u);
  EXPECT_EQ(verdict.half_erased[0].rows, 2);
}

TEST_F(ChainCheckTest, FromTheMiddleTheFirstRowIsTakenAsItStandsAndTheRestIsChecked) {
  append_events(6);
  const StoredHead whole = head();
  rows_.erase(rows_.begin(), rows_.begin() + 2);
  EXPECT_TRUE(check(&keys_, whole, true).faults.empty());
  rows_[2].row.set_text(Column::action, "logout");
  expect_fault(check(&keys_, whole, true), Wrong::checksum, 4);
}

TEST(ErasedRows, TheFirstEventThatNamesARowAccountsForIt) {
  ErasedRows erased;
  erased.add({Seq(5), Seq(9)}, Seq(20));
  erased.add({Seq(1), Seq(2)}, Seq(21));
  erased.add({Seq(0), Seq(12)}, Seq(22));
  const auto event = [&](std::int64_t seq) { return erased.find(Seq(seq))->event.value(); };
  EXPECT_EQ(event(0), 22);
  EXPECT_EQ(event(1), 21);
  EXPECT_EQ(event(2), 21);
  EXPECT_EQ(event(4), 22);
  EXPECT_EQ(event(5), 20);
  EXPECT_EQ(event(9), 20);
  EXPECT_EQ(event(12), 22);
  EXPECT_EQ(erased.find(Seq(6))->to, Seq(9));
  EXPECT_FALSE(erased.find(Seq(13)));
}

TEST(ErasedRows, TheNextOneIsTheRowItselfOrTheFirstBehindIt) {
  ErasedRows erased;
  EXPECT_FALSE(erased.next_from(Seq(0)));
  erased.add({Seq(5), Seq(9)}, Seq(20));
  EXPECT_EQ(erased.next_from(Seq(0)), Seq(5));
  EXPECT_EQ(erased.next_from(Seq(5)), Seq(5));
  EXPECT_EQ(erased.next_from(Seq(9)), Seq(9));
  EXPECT_FALSE(erased.next_from(Seq(10)));
}

}  // namespace
}  // namespace sealstream
