// What the group thread tells a lane, and how the lane hears of it while it waits for the database.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "sealstream/ingest/ledger.h"
#include "sealstream/ingest/probe.h"
#include "sealstream/ingest/runtime.h"

namespace sealstream {

using Deadline = Runtime::TimePoint;

/// Read these from now on.
struct OpenCommand {
  std::vector<std::pair<PartitionId, Claim>> partitions;
};

/// Let all partitions go; what is in hand is committed before `deadline` or dropped.
struct CloseCommand {
  FlushReason reason = FlushReason::revoke;
  bool drop = false;  ///< they belong to others already: commit nothing
  Deadline deadline;
};

/// End the lane's thread. Only after a close.
struct FinishCommand {};

using Command = std::variant<OpenCommand, CloseCommand, FinishCommand>;

/// One writer (the group thread), one reader (the lane). Commands are carried out in the order they were
/// sent.
class Mailbox {
 public:
  /// Borrows `runtime`.
  explicit Mailbox(Runtime& runtime) : runtime_(runtime) {}

  void send(Command command);
  /// Waits until every command sent so far is carried out; false when `deadline` passes first.
  bool wait_done(Deadline deadline);

  bool pending() const;
  /// Whether every command sent so far is carried out.
  bool idle() const;
  std::optional<Command> take();
  /// The reader is done with the command that it took last.
  void done();
  /// The first close that waits to be taken.
  std::optional<CloseCommand> next_close() const;
  /// Waits until something was sent since the last wait, or `deadline`.
  void wait(Deadline deadline);

 private:
  Runtime& runtime_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Command> commands_;
  bool busy_ = false;
  std::uint64_t sent_ = 0;
  std::uint64_t noticed_ = 0;  ///< of sent_, by the last wait
};

}  // namespace sealstream
