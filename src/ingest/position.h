// Where a lane stands in one partition, and whether the log there is still the one that the database knows.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "sealstream/ingest/ledger.h"
#include "sealstream/ingest/probe.h"
#include "sealstream/ingest/source.h"

namespace sealstream {

/// What the lane must do with what arrived.
enum class Step : std::uint8_t {
  take,  ///< it is the next one: into the batch (what lies between it and the one before is skipped)
  drop,  ///< seen already, or only the anchor: forget it
  seek,  ///< ask Kafka to go on at fetch_from(), forget this
  ask,   ///< ask the broker for the log's extent and call Position::answer; forget this
  wait,  ///< it may be cut: in a while call verify_again, then as ask; until then forget what arrives
  halt,  ///< stop reading this partition; cause() and missed() say why
};

/// A pure state machine. It begins at the last committed record, the anchor: the first record delivered must
/// be it, with its digest; then everything from next() on is taken in order. What contradicts that is asked
/// of the broker, and never passed over:
///
///   verifying ── anchor arrives, digest equal ──────────────────────────────► reading
///   verifying ── retention or the cleaner took it, start ≤ next ≤ end ──────► reading (log_unverified)
///   reading ── out of range ────────────────────────────────────────────────► verifying, after a while
///   verifying ── end < next, or no anchor where one must be, kDoubts times ─► halted
///   verifying, reading ── retention overtook next, or another log ──────────► halted
///
/// A broker that stood still and was replaced as the leader believes for a while that it leads: it ends where
/// it stood still. So a log that ends too early is believed only when it has seemed so for a while; where it
/// reaches next() again, it must hold its anchor, and nothing between that and next(), as when it was read.
///
/// A first record beyond the expected one is believed only when the same one comes again after a seek: a
/// fetch that was under way when the partition was assigned anew, or at the seek, must not look like a gap. A
/// first end beyond it likewise; it may have moved on, where transactions are aborted one after the other.
class Position {
 public:
  /// Halted where the claim says that the log is another one. `gaps_are_loss`: the topic is compacted, so
  /// nobody can tell a gap from records that the cleaner took.
  explicit Position(const Claim& claim, bool gaps_are_loss = false);

  /// Where Kafka must begin: at the anchor, or at next() where there is none or it is verified.
  Offset fetch_from() const;
  Offset next() const { return next_; }
  bool halted() const { return cause_.has_value(); }
  bool verifying() const { return !halted() && anchor_.has_value(); }
  HaltCause cause() const { return *cause_; }
  std::int64_t missed() const { return missed_; }
  /// True once after the log was accepted without its anchor.
  bool take_unverified();

  /// A record at `offset`. `digest` is called only where the anchor is compared. After take, next() is behind
  /// the record.
  Step record(Offset offset, const std::function<SourceDigest()>& digest);
  /// The partition's end. After take, next() is `end`, and what lies before it is skipped.
  Step end(Offset end);
  Step out_of_range();
  /// The log does not hold its witness any more.
  Step another_log() { return halted() ? Step::drop : halt(HaltCause::not_same_log); }
  /// The broker's answer to ask: seek, wait or halt.
  Step answer(const Extent& extent);
  /// The broker did not answer: seek or wait.
  Step no_answer();
  /// Begins at the anchor once more. `last`: of all that was taken, which is committed. kDoubts times the
  /// pause before it is how long a log may seem cut: ten seconds in a lane.
  void verify_again(const std::optional<LastRecord>& last);
  /// A producer's clock stamped the record: not acceptable.
  Step halt(HaltCause cause, std::int64_t missed = 0);

 private:
  Step take(Offset next);
  Step doubt();
  void unsettle();

  static constexpr int kAnchorTries = 3;
  static constexpr int kDoubts = 20;

  bool gaps_are_loss_;
  std::optional<LastRecord> anchor_;  ///< not yet seen again
  Offset next_;
  bool settled_ = false;               ///< something was delivered as expected since the last seek
  std::optional<Offset> record_seen_;  ///< behind a gap that is not believed yet
  std::optional<Offset> end_seen_;     ///< likewise
  bool unverified_ = false;
  int anchor_tries_ = 0;
  std::optional<Offset> met_;  ///< the anchor's offset, until something behind it is taken
  bool was_short_ = false;     ///< out of range, and not verified again since
  int doubts_ = 0;             ///< signs that the log was cut, since it last was as expected
  std::optional<HaltCause> cause_;
  std::int64_t missed_ = 0;
};

/// Why a log that was read up to `next` is asked for again. `extent`: what the broker answered, if it did.
std::string cut_sentence(const PartitionId& id, const std::optional<Extent>& extent, Offset next);

/// What an operator can do about a halted partition, in one sentence.
std::string halt_sentence(HaltCause cause, const PartitionId& id, Offset next);

}  // namespace sealstream
