// Batches for tests of the ledger: rows of one partition, sealed with made-up checksums.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "sealstream/ingest/ledger.h"

namespace sealstream {

inline constexpr std::string_view kTopic = "audit.events.v1";

/// 2026-11-22 18:00:00 UTC.
inline constexpr Timestamp kNow{std::chrono::microseconds(1'795'370'400'000'000)};

inline PartitionId partition(std::int32_t number) { return {std::string(kTopic), Partition(number)}; }

/// Stands for the checksum of a tenant's row; zeros before the first.
Checksum made_up_checksum(std::string_view tenant, Seq seq);
Head made_up_head(std::string_view tenant, Seq seq, Timestamp recorded_at);

/// Builds what one commit writes. Each event takes the partition's next offset and the tenant's next seq.
class TestBatch {
 public:
  TestBatch(PartitionId id, const Claim& claim) : id_(std::move(id)), claim_(claim) {}

  /// The tenant's chain goes on after `head`; without this it begins.
  TestBatch& after(std::string_view tenant, const Head& head);
  /// Appends an event and returns its row, to be changed at will until `writes`.
  Row& event(std::string_view tenant, std::string_view id, Timestamp recorded_at = kNow);
  /// Appends a refused record and its tombstone.
  QuarantineRow& refused(std::string_view tenant, Timestamp recorded_at = kNow);
  TestBatch& skip(std::int64_t records);
  TestBatch& duplicate(std::int64_t records);

  const WriteSet& writes();
  Head head(std::string_view tenant) const { return heads_.at(std::string(tenant)).after; }
  Offset next_offset() const { return Offset(claim_.next_offset.value() + records_); }
  WriteSet* operator->() { return &writes_; }

 private:
  struct Chain {
    Head before;
    Head after;
    std::int64_t events = 0;
    std::int64_t quarantined = 0;
  };

  Row& append(std::string_view tenant, std::string_view id, std::string_view family, Timestamp recorded_at);

  PartitionId id_;
  Claim claim_;
  std::int64_t records_ = 0;
  std::map<std::string, Chain> heads_;
  std::deque<Row> rows_;
  PartitionMove move_;
  WriteSet writes_;
};

}  // namespace sealstream
