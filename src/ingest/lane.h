// One worker: its partitions, its database connection, its batch. The loop of the product.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <vector>

#include "ingest/batch.h"
#include "ingest/composer.h"
#include "ingest/mailbox.h"
#include "sealstream/ingest/ingester.h"

namespace sealstream {

/// Straight sequential code on one thread (run); the group thread speaks to it through mailbox(), anyone may
/// ask for its status. A tenant's partition is in one lane, so order inside a tenant needs no lock.
class Lane {
 public:
  /// Borrows all references.
  Lane(std::size_t index, const IngestOptions& options, const Keyring& keyring, RecordStream& stream,
       const LedgerFactory& ledgers, Probe& probe, Runtime& runtime = machine_runtime());

  /// Carries out commands and moves records from the log to the ledger, until a FinishCommand.
  void run();

  Mailbox& mailbox() { return mailbox_; }

  /// From the next batch on. Thread-safe, as status() is.
  void take_batch_limits(const IngestOptions& options);

  LaneStatus status() const;
  std::vector<PartitionStatus> partitions() const;
  /// Records that were read but given up at the drain: another instance reads them again.
  std::int64_t given_up() const { return given_up_; }

 private:
  enum class Next : std::uint8_t { again, finished };
  /// The batch is given up: its records are not committed, and are read again by us or by another owner.
  struct Abandoned {};

  // commands
  bool carry_out(Command command);
  void open(OpenCommand& command);
  void close(const CloseCommand& command);

  // from the log into the batch
  FlushReason fill();
  milliseconds left_to_linger() const;
  void arrive(FetchedRecord fetched);
  void arrive(const EndReached& end);
  void arrive(const OutOfRange& out_of_range);
  void arrive(const AnotherLog& another_log);
  void add(OpenPartition& partition, FetchedRecord fetched);
  void act(OpenPartition& partition, Step step);
  void ask(OpenPartition& partition);
  void ask_again(OpenPartition& partition);
  bool is_in_hand(const OpenPartition& partition) const;
  void seek(OpenPartition& partition);
  bool keep_another_log(OpenPartition& partition);
  void do_what_is_due();
  void begin(OpenPartition& partition);
  void watch(const OpenPartition& partition);
  OpenPartition* find(std::string_view topic, Partition partition);
  bool gaps_are_loss(const std::string& topic) const;

  // from the batch into the ledger
  void flush(FlushReason reason);
  void give_up(const CloseCommand& close);
  void write(std::span<Entry> entries, FlushReason reason);
  /// `anomalies`: what the commit found; unknown after a commit in doubt.
  void committed(std::span<Entry> entries, const WriteSet& writes, FlushReason reason,
                 std::vector<AnomalyCount> anomalies = {});
  Next recover(const LedgerError& error, std::span<Entry> entries, const WriteSet& writes,
               FlushReason reason);
  Next recover_row(const LedgerError& error, std::span<Entry> entries, FlushReason reason);
  Next recover_in_doubt(std::span<Entry> entries, const WriteSet& writes, FlushReason reason);
  [[noreturn]] void recover_fenced();
  Claim claim(const PartitionId& id);
  void restart(OpenPartition& partition, const Claim& claim);
  void wait_for_database(const LedgerError& error);
  void throw_if_abandoned() const;
  void back_off(milliseconds at_least);

  void tick() { heartbeat_.store(runtime_.now().time_since_epoch().count()); }
  void database_is(bool ok, std::string sentence);
  void publish();

  const std::size_t index_;
  const IngestOptions& options_;
  RecordStream& stream_;
  Probe& probe_;
  Runtime& runtime_;
  std::unique_ptr<Ledger> ledger_;
  Decoder decoder_;
  Composer composer_;
  Mailbox mailbox_{runtime_};

  std::vector<std::unique_ptr<OpenPartition>> partitions_;
  std::optional<Delivery> unread_;  ///< arrived while a command was waiting
  std::vector<Entry> entries_;
  std::size_t bytes_ = 0;
  std::atomic<std::size_t> batch_rows_;
  std::atomic<std::size_t> batch_rows_backlog_;
  std::atomic<std::size_t> batch_bytes_;
  std::size_t target_rows_;
  Deadline first_at_{};    ///< when the batch's first record arrived
  Deadline flushed_at_{};  ///< when the last batch was done with
  std::optional<CloseCommand> closing_;
  milliseconds backoff_;
  std::vector<Deadline> fences_;  ///< of the last minute
  bool anything_due_ = false;     ///< a seek, a question, or another log to be kept
  Deadline next_retry_{};         ///< of what is due
  std::minstd_rand jitter_;

  std::atomic<Deadline::rep> heartbeat_;
  std::atomic<std::int64_t> given_up_ = 0;
  mutable std::mutex status_mutex_;
  bool database_ok_ = true;
  std::string database_sentence_;
  std::vector<PartitionStatus> published_;
};

/// Claims a partition; one that has no row yet begins at the start of the log that `extent` describes, or at
/// its end where `at_end`: never for one that was claimed before, whose row a failover lost. Nothing where
/// the broker does not say. Throws LedgerError.
std::optional<Claim> claim_or_begin(Ledger& ledger, const PartitionId& id, const std::string& owner,
                                    bool at_end, const std::function<std::optional<Extent>()>& extent);

}  // namespace sealstream
