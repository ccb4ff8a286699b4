// What a lane holds between two commits: its open partitions, and the records that wait to be written.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingest/position.h"
#include "sealstream/core/event.h"
#include "sealstream/core/secrets.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

/// A partition that this lane reads. Lives from the assignment to the revocation; entries point at it.
struct OpenPartition {
  OpenPartition(PartitionId id, const Claim& claim, bool gaps_are_loss = false)
      : id(std::move(id)), claim(claim), gaps_are_loss(gaps_are_loss), position(claim, gaps_are_loss) {}

  PartitionId id;
  Claim claim;  ///< next_offset and last as committed; the first record taken is a missing witness
  const bool gaps_are_loss;         ///< the topic is compacted
  Position position;                ///< what was read; never behind claim.next_offset
  std::int64_t log_unverified = 0;  ///< times the log was accepted without its anchor since the last commit
  bool seek_due = false;            ///< Kafka did not take the last seek
  bool ask_due = false;             ///< its log seems cut, and will be asked for again
  bool another_log_due = false;     ///< the database does not know yet that the log is another one

  /// What arrives is not meant.
  bool waits() const { return seek_due || ask_due; }
};

/// Why an entry's record is refused, and what is kept of it.
struct Refused {
  Refusal refusal;
  Event tombstone;
  KeptRecord kept;
  std::vector<std::uint32_t> redactions;  ///< by index in secret_rules()
  std::string sqlstate;                   ///< of db_rejected
  std::string constraint;                 ///< of db_rejected
  bool only_within_batch =
      false;  ///< decided against another entry, so decided anew whenever the batch is composed
};

enum class Fate : std::uint8_t { accepted, duplicate, refused, end };

/// One step of a partition: a record, or its end (what lies before it is skipped).
struct Entry {
  OpenPartition* partition;
  Offset next;                            ///< the partition's position behind this entry
  std::optional<FetchedRecord> fetched;   ///< absent for an end
  Event event;                            ///< of a record that decoded
  std::unique_ptr<Refused> refused;       ///< of a record that is refused: few are, and it is large
  std::vector<std::uint32_t> redactions;  ///< of the decoding, where there were any
  Fate fate = Fate::end;
  std::uint32_t tenant = 0;   ///< by the composer, of the batch that it composes
  std::uint64_t id_hash = 0;  ///< of the event's tenant and id, by the composer

  const Record& record() const { return fetched->record; }
  /// What goes into the ledger: the event, or its tombstone.
  Event& sealed() { return refused ? refused->tombstone : event; }
};

/// Bytes of a record's key, value and headers.
std::size_t size_of(const Record& record);

/// Makes `entry` a refused one: its tombstone, and what is kept of it.
void refuse(Entry& entry, Refusal refusal);

}  // namespace sealstream
