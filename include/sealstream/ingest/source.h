// The port to the log: what ingest needs of Kafka. Implemented by kafka/consumer.h, and by a fake in the
// tests.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

#include "sealstream/core/ids.h"
#include "sealstream/core/record.h"
#include "sealstream/ingest/options.h"

namespace sealstream {

/// A record and what keeps its bytes alive. Move-only; the bytes live as long as this object.
struct FetchedRecord {
  Record record;  ///< log_epoch is left 0: the lane fills it in from the claim
  bool log_append_time = true;
  std::unique_ptr<void, void (*)(void*)> owner{nullptr, [](void*) {}};
};

/// The lane has seen everything below `end`: what lies between its position and `end` are control records or
/// compacted away.
struct EndReached {
  PartitionId id;
  Offset end;
};

/// The broker does not have the offset that was asked for; nothing more comes for this partition until a
/// seek.
struct OutOfRange {
  PartitionId id;
};

/// The log is not the one that `witness` was read of.
struct AnotherLog {
  PartitionId id;
  Witness witness;
};

using Delivery = std::variant<FetchedRecord, EndReached, OutOfRange, AnotherLog>;

/// The first offset that the broker still has, and the one after the last that a reader may see.
struct Extent {
  Offset start;
  Offset end;
};

/// Kafka failed in a way that waiting does not mend here and now. `what()` is a sentence for an operator.
class SourceError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One lane's end of the log. Used by the lane's thread only; lives as long as its Source.
class RecordStream {
 public:
  virtual ~RecordStream() = default;

  /// What comes next for any of the lane's partitions, or nothing within `timeout`. Offsets of a partition
  /// only rise, but for what a seek has overtaken: the lane drops those.
  virtual std::optional<Delivery> next(milliseconds timeout) = 0;

  /// Goes on at `offset`, for a partition that is assigned. Asynchronous. Throws SourceError.
  virtual void seek(const PartitionId& id, Offset offset) = 0;

  /// From now on asks the broker now and then, beside the lane, whether the partition's log is still the one
  /// that `witness` was read of; delivers AnotherLog, once, where it is not. Without a witness: asks no more.
  virtual void watch(const PartitionId& id, const std::optional<Witness>& witness) = 0;

  /// Asks the broker. Nothing where it does not answer within `timeout`.
  virtual std::optional<Extent> extent(const PartitionId& id, milliseconds timeout) = 0;

  /// Tells Kafka how far the database is, for lag tools. Asynchronous, best effort, never read back.
  virtual void mirror(std::span<const std::pair<PartitionId, Offset>> next_offsets) = 0;
};

/// Where a partition begins and which lane reads it.
struct Start {
  PartitionId id;
  Offset offset;
  std::size_t lane;
};

/// What the group thread may ask for while it runs a callback of GroupListener.
class Group {
 public:
  virtual ~Group() = default;
  /// Holds exactly these partitions: forwards each queue to its lane, then assigns. Never over a live
  /// assignment that is not empty (assertion). Answers the group, where it waits for an answer. Throws
  /// SourceError.
  virtual void assign(std::span<const Start> starts) = 0;
  /// Lets go of all that assign took, and stays a member of the group. Throws SourceError.
  virtual void unassign() = 0;
  /// As RecordStream::extent, of several partitions at once, in their order.
  virtual std::vector<std::optional<Extent>> extents(std::span<const PartitionId> ids,
                                                     milliseconds timeout) = 0;
};

/// What the consumer group decides. All calls come from the thread in Source::serve.
class GroupListener {
 public:
  virtual ~GroupListener() = default;
  /// Must call group.assign once, with what could be claimed, or with nothing; more may be assigned in a
  /// later tick, after an unassign where anything is assigned.
  virtual void assigned(std::vector<PartitionId> partitions, Group& group) = 0;
  /// The partitions go to others when this returns: commit what is in hand before.
  virtual void revoked(const std::vector<PartitionId>& partitions) = 0;
  /// The partitions went to others already: drop what is in hand.
  virtual void lost(const std::vector<PartitionId>& partitions) = 0;
  /// Called at least every 100 ms.
  virtual void tick(Group& group) = 0;
};

/// Kafka, as one member of a consumer group.
class Source {
 public:
  virtual ~Source() = default;
  /// The stream of lane `lane` (0 to lanes − 1).
  virtual RecordStream& stream(std::size_t lane) = 0;
  /// Serves the group on the calling thread until `stop` is requested, then leaves it: `revoked` is called
  /// for what is held, and on return nothing is assigned any more. Errors of brokers are not thrown: the
  /// client mends them by itself.
  virtual void serve(GroupListener& listener, std::stop_token stop) = 0;
};

}  // namespace sealstream
