#include "app/log_state.h"

#include <algorithm>
#include <thread>

namespace sealstream {
namespace {

constexpr milliseconds kPatience{10'000};
constexpr milliseconds kAskAgain{100};  ///< shorter than a lane: a person waits

/// Where a partition goes on once its loss is accepted.
std::optional<LogState::Loss> loss(const Position& position, const Extent& log) {
  switch (position.cause()) {
    case HaltCause::retention_overrun:
    case HaltCause::compacted:
      return LogState::Loss{position.missed(), Offset(position.next().value() + position.missed())};
    case HaltCause::not_same_log:
      return LogState::Loss{0, log.start};
    case HaltCause::create_time:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

LogInspector::LogInspector(const KafkaOptions& options, bool accept_create_time)
    : topics_(ask_topics(options, kPatience)), accept_create_time_(accept_create_time), reader_(options) {}

std::vector<LogState> LogInspector::look(std::vector<PartitionTotals> partitions) {
  std::vector<LogState> states;
  for (PartitionTotals& stored : partitions) {
    LogState& state = states.emplace_back();
    state.stored = std::move(stored);
    look(state);
  }
  return states;
}

void LogInspector::look(LogState& state) {
  const PartitionTotals& stored = state.stored;
  Position position({stored.log_epoch, stored.owner_epoch, stored.next_offset, stored.last, stored.witness,
                     stored.another_log},
                    is_compacted(stored.id.topic));
  state.log = extent(stored.id);
  if (!state.log) return;
  if (stored.another_log) {
    look_whether_it_is_back(state, position);
    return;
  }
  state.answered = read_on(stored, position) && ask_witness(stored, position);
  if (!position.halted()) return;
  state.halted = position.cause();
  state.loss = loss(position, *state.log);
}

/// What was known as another log is left by a reset alone; where the witness is there again, it goes on where
/// it stood.
void LogInspector::look_whether_it_is_back(LogState& state, const Position& position) {
  const auto& witness = state.stored.witness;
  const bool is_back = witness && reader_.holds(state.stored.id, *witness, kPatience).value_or(false);
  state.answered = true;
  state.halted = position.cause();
  state.loss = is_back ? LogState::Loss{0, position.next()} : loss(position, *state.log);
}

/// As a lane does, until there is something to take, nothing more to read, or a reason to halt. False where
/// Kafka does not answer.
bool LogInspector::read_on(const PartitionTotals& stored, Position& position) {
  const PartitionId& id = stored.id;
  reader_.begin(id, position.fetch_from());
  for (;;) {
    const std::optional<Delivery> delivery = reader_.next(kPatience);
    if (!delivery) return false;
    Step step = arrive(*delivery, position);
    while (step == Step::ask || step == Step::wait) {
      if (step == Step::wait) {
        std::this_thread::sleep_for(kAskAgain);
        position.verify_again(stored.last);
      }
      const std::optional<Extent> log = extent(id);
      if (!log) return false;
      step = position.answer(*log);
    }
    const bool at_end = step == Step::drop && std::holds_alternative<EndReached>(*delivery);
    if (step == Step::take || step == Step::halt || at_end) return true;
    if (step == Step::seek) reader_.begin(id, position.fetch_from());
  }
}

/// False where Kafka does not answer.
bool LogInspector::ask_witness(const PartitionTotals& stored, Position& position) {
  if (position.halted() || !stored.witness) return true;
  const std::optional<bool> same = reader_.is_log_of(stored.id, *stored.witness, kPatience);
  if (same && !*same) (void)position.another_log();
  return same.has_value();
}

Step LogInspector::arrive(const Delivery& delivery, Position& position) {
  if (const auto* end = std::get_if<EndReached>(&delivery)) return position.end(end->end);
  const auto* fetched = std::get_if<FetchedRecord>(&delivery);
  if (fetched == nullptr) return position.out_of_range();
  const bool uncommitted = fetched->record.offset >= position.next();
  if (uncommitted && !fetched->log_append_time && !accept_create_time_) {
    return position.halt(HaltCause::create_time);
  }
  return position.record(fetched->record.offset,
                         [&] { return sealer_.source_digest(nullptr, {}, fetched->record); });
}

bool LogInspector::is_compacted(const std::string& topic) const {
  return std::any_of(topics_.begin(), topics_.end(),
                     [&](const TopicFacts& facts) { return facts.topic == topic && facts.compacted(); });
}

std::optional<Extent> LogInspector::extent(const PartitionId& id) {
  const auto found = reader_.extents({&id, 1}, kPatience);
  return found.empty() ? std::nullopt : std::optional(found.front().second);
}

}  // namespace sealstream
