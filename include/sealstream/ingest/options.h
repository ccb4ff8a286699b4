// Every limit of the pipeline: its name, unit, default and effect. Nothing in ingest is bounded by a number
// that is not here.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace sealstream {

using std::chrono::milliseconds;

struct IngestOptions {
  /// Lanes (threads with a database connection each). An assignment spreads its partitions over them by their
  /// backlogs (ingest/spread.h).
  std::size_t lanes = 4;

  /// A batch is closed at this many records, once the backlog is gone; while there is one it may grow to
  /// batch_rows_backlog. An entry takes some 1,500 bytes beside its record's.
  std::size_t batch_rows = 5'000;
  std::size_t batch_rows_backlog = 8'000;
  /// ... or at this many bytes of keys, values and headers. Bounds what a lane holds in memory.
  std::size_t batch_bytes = 3 * 1024 * 1024;
  /// ... or when its first record has waited this long and no other is at hand. While there is a backlog one
  /// always is, and batches fill up instead; at once where the lane had nothing to do for as long, since a
  /// quiet topic has nothing to wait for,
  milliseconds linger{10};
  /// ... but a record never waits longer than this for its batch to be closed.
  milliseconds batch_age{200};

  /// A revoked partition's batch must be in by then: a third of the group's session timeout.
  milliseconds flush_on_revoke{3'300};
  /// How long a lane, and the group thread, waits for one answer of the database. The group's is short, so
  /// that a database that hangs does not hold up the group; it stays above the 3 s that a claim waits for a
  /// lock.
  milliseconds lane_database_patience{40'000};
  milliseconds group_database_patience{4'000};
  /// The group is answered within this time of an assignment; claims that take longer go on in the
  /// background.
  milliseconds assign_deadline{3'000};
  /// Claims and seeks that did not succeed are tried again this often, and a log that seems cut is asked for.
  milliseconds claim_retry{500};
  /// How long one question to the broker about a log's start and end may take.
  milliseconds extent_timeout{5'000};

  /// Back-off between tries against a database that is away: doubled from the first to the last, with jitter.
  milliseconds backoff_first{50};
  milliseconds backoff_last{2'000};

  /// Ids of events that a lane remembers to recognise a duplicate before the database does (8 bytes each).
  std::size_t recent_ids = std::size_t{1} << 19;
  /// After a unique violation the ids of this many batches are looked up before they are written.
  int lookup_batches_after_violation = 100;
  /// Heads that a lane keeps; when there are more, all are dropped and read again as needed.
  std::size_t cached_heads = 10'000;

  /// This many fenced commits of a lane within a minute are an alarm.
  int fences_per_minute_alarm = 5;

  /// After a fence the group thread has this long to say that the partition is no longer ours, before it is
  /// claimed again.
  milliseconds fence_patience{1'000};

  /// The longest a drain may take before the process gives up the rest (which another instance then reads
  /// again).
  milliseconds drain_deadline{30'000};

  /// Leaves of the ledger that are made ahead of time, counted in months from now.
  int leaves_ahead = 2;
  /// How often the group thread looks whether leaves ahead of time are there.
  milliseconds leaf_check_interval{3'600'000};

  /// How often the group thread asks the database whether it can be written, for /readyz.
  milliseconds database_check_interval{2'000};
  /// The longest a lane waits for a record before it looks at its commands and ticks its heartbeat.
  milliseconds poll_interval{50};

  /// Accept records whose timestamp was set by their producer (CreateTime): one bad clock then pins a
  /// tenant's recorded_at.
  bool accept_create_time = false;
  /// A partition never seen before starts at the log's end instead of its beginning.
  bool start_new_partitions_at_end = false;

  /// Topics whose cleanup.policy compacts: there a gap may be records that were lost, and halts its
  /// partition.
  std::vector<std::string> compacted_topics;

  /// Who claims: stored in audit.partitions, so that an operator can tell instances apart.
  std::string owner = "sealstream";
};

}  // namespace sealstream
