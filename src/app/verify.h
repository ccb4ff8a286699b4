// The verifier: reads the ledger as it is stored and says whether it is what was sealed.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/range_check.h"
#include "postgres/ledger_reader.h"
#include "postgres/read_model_check.h"
#include "sealstream/core/keyring.h"

namespace sealstream {

struct VerifyOptions {
  std::optional<std::string> tenant = {};  ///< this chain alone; counters of partitions are not checked then
  std::optional<Timestamp> since = {};     ///< rows recorded from here on; what lies before is taken on trust
  bool chain_only = false;                 ///< personal values that cannot be opened do not matter
  int workers = 1;                         ///< threads, each with a connection
};

struct VerifyReport {
  static constexpr std::size_t kMaxFaults = kMostNoted;
  static constexpr std::size_t kMaxErasures = kMostNoted;
  static constexpr int kMaxRepeatedIds = 100;

  VerifyOptions options;
  bool keyring = false;  ///< there was one
  Verdict verdict = Verdict::intact;
  std::int64_t rows = 0;
  std::int64_t chains = 0;
  PersonalCounts personal;
  std::set<std::string> absent_keys;          ///< ids that rows name and the keyring does not hold
  std::vector<Fault> faults;                  ///< the worst first; at most kMaxFaults
  std::int64_t fault_count = 0;               ///< all of them
  std::vector<Erasure> erasures;              ///< at most kMaxErasures
  std::vector<Erasure> half_erased;           ///< at most kMaxErasures; no fault: see report_text
  std::int64_t half_erased_rows = 0;          ///< all of them
  std::vector<RepeatedId> repeated_ids;       ///< at most kMaxRepeatedIds; no fault: see report_text
  std::optional<ReadModelCheck> read_models;  ///< nothing where that was not asked
};

/// Called on the calling thread, now and then: rows that are behind us, of about `all`.
using VerifyProgress = std::function<void(std::int64_t rows, std::int64_t all)>;

/// Reads all of the ledger that `options` name, in the reader's snapshot, and checks it. `keyring` may be
/// null. Stops before the rows where audit.ledger has not exactly the columns that the format knows. Throws
/// LedgerError. Memory: the heads, and what is noted of one chain of each worker. The report does not depend
/// on the number of workers.
VerifyReport verify(
    LedgerReader& reader, const Keyring* keyring, const VerifyOptions& options,
    const VerifyProgress& progress = [](std::int64_t, std::int64_t) {});

/// Adds what a comparison of the read models found: a difference is incomplete, since the chains are the
/// evidence and all else is derived from them; what could not be compared is undecidable.
void add_read_models(VerifyReport& report, ReadModelCheck check);

/// 0 intact, 1 tampered, 2 incomplete, 3 undecidable.
int exit_code(Verdict verdict);

/// For people: the verdict, what was found, what was not checked. Ends with a newline. Names from the
/// database are quoted and escaped.
std::string report_text(const VerifyReport& report);
/// The same as one JSON object and a newline.
std::string report_json(const VerifyReport& report);

}  // namespace sealstream
