#include "ingest/position.h"

#include <utility>

#include "ingest/sabotage.h"

namespace sealstream {
namespace {

std::string name_of(const PartitionId& id) { return id.topic + "/" + std::to_string(id.partition.value()); }

}  // namespace

Position::Position(const Claim& claim, bool gaps_are_loss)
    : gaps_are_loss_(gaps_are_loss), anchor_(claim.last), next_(claim.next_offset) {
  if (claim.another_log) cause_ = HaltCause::not_same_log;
}

Offset Position::fetch_from() const { return anchor_ ? anchor_->offset : next_; }

bool Position::take_unverified() { return std::exchange(unverified_, false); }

Step Position::record(Offset offset, const std::function<SourceDigest()>& digest) {
  if (halted()) return Step::drop;
  if (met_ && *met_ < offset && offset < next_) return halt(HaltCause::not_same_log);
  if (offset < fetch_from()) return Step::drop;
  if (anchor_) {
    if (offset > anchor_->offset) return Step::ask;
    if (digest() != anchor_->digest && !mutant("log_not_compared")) return halt(HaltCause::not_same_log);
    met_ = anchor_->offset;
    anchor_.reset();
    anchor_tries_ = doubts_ = 0;
    settled_ = true;
    return Step::drop;
  }
  if (offset > next_ && !settled_ && std::exchange(record_seen_, offset) != offset) return Step::seek;
  if (offset > next_ && gaps_are_loss_) return halt(HaltCause::compacted, distance(next_, offset));
  return take(sealstream::next(offset));
}

Step Position::end(Offset end) {
  if (halted()) return Step::drop;
  if (anchor_ || (met_ && end < next_)) return Step::ask;
  if (end <= next_) return Step::drop;
  const std::optional<Offset> seen = std::exchange(end_seen_, end);
  if (!settled_ && (!seen || *seen > end)) return Step::seek;
  if (gaps_are_loss_) return halt(HaltCause::compacted, distance(next_, end));
  return take(end);
}

Step Position::out_of_range() {
  if (halted()) return Step::drop;
  was_short_ = true;
  return Step::ask;
}

Step Position::answer(const Extent& extent) {
  if (halted()) return Step::drop;
  if (extent.start > next_) return halt(HaltCause::retention_overrun, distance(next_, extent.start));
  if (extent.end < next_) return doubt();
  if (!anchor_ && was_short_) return Step::wait;
  if (anchor_ && extent.start <= anchor_->offset) {
    if (++anchor_tries_ < kAnchorTries) return Step::seek;
    if (!gaps_are_loss_) return doubt();
  }
  if (anchor_) {
    anchor_.reset();
    unverified_ = true;
  }
  unsettle();
  return Step::seek;
}

Step Position::no_answer() {
  if (halted()) return Step::drop;
  return !anchor_ && was_short_ ? Step::wait : Step::seek;
}

void Position::verify_again(const std::optional<LastRecord>& last) {
  if (!mutant("anchor_not_met_again")) anchor_ = last;
  met_.reset();
  anchor_tries_ = 0;
  was_short_ = false;
  unsettle();
}

Step Position::take(Offset next) {
  met_.reset();
  doubts_ = 0;
  settled_ = true;
  next_ = next;
  return Step::take;
}

Step Position::doubt() {
  const bool enough = ++doubts_ >= kDoubts || mutant("cut_believed_at_once");
  return enough ? halt(HaltCause::not_same_log) : Step::wait;
}

void Position::unsettle() {
  settled_ = false;
  record_seen_.reset();
  end_seen_.reset();
}

Step Position::halt(HaltCause cause, std::int64_t missed) {
  cause_ = cause;
  missed_ = missed;
  return Step::halt;
}

std::string cut_sentence(const PartitionId& id, const std::optional<Extent>& extent, Offset next) {
  const std::string end =
      extent ? "ends at offset " + std::to_string(extent->end.value()) : "is out of range";
  return name_of(id) + " was read up to offset " + std::to_string(next.value()) + " and " + end +
         ": it is cut, or a broker answered that does not lead it any more; it is asked for again";
}

std::string halt_sentence(HaltCause cause, const PartitionId& id, Offset next) {
  const std::string name = name_of(id);
  const std::string where = name + " is halted at offset " + std::to_string(next.value()) + ": ";
  const std::string accept = "sealstream offsets reset " + name + " --accept-loss REASON --execute";
  switch (cause) {
    case HaltCause::retention_overrun:
      return where +
             "Kafka's retention deleted records that were not read yet; restore them to the topic, or accept "
             "their loss: " +
             accept;
    case HaltCause::not_same_log:
      return where +
             "the log does not hold what was read of it any more (topic made again, or truncated); "
             "bring the log back, or go on with the one that is there: " +
             accept;
    case HaltCause::compacted:
      return where +
             "records are missing and the topic is compacted (its keys are tenants, so the cleaner takes "
             "events); alter the "
             "topic to cleanup.policy=delete, and restore the records or accept their loss: " +
             accept;
    case HaltCause::create_time:
      return where +
             "its records carry their producer's clock; alter the topic to "
             "message.timestamp.type=LogAppendTime, and set kafka.accept_create_time until those that are "
             "there "
             "are read";
  }
  return where;
}

}  // namespace sealstream
