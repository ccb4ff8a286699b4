// What can be wrong with one tenant's chain, row by row. The rules are those of design "What a verifier
// says"; every one recomputes, none believes a stored checksum. Pure: rows come from whoever reads them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/ledger_reader.h"
#include "sealstream/core/chain.h"
#include "sealstream/core/erasure.h"
#include "sealstream/core/keyring.h"

namespace sealstream {

/// What verification says in the end; the worst one counts, and tampered is the worst.
enum class Verdict : std::uint8_t { intact, undecidable, incomplete, tampered };
std::string_view name(Verdict verdict);

/// What a fault is about.
enum class Wrong : std::uint8_t {
  checksum,
  gap,
  order,
  head,
  column,
  personal_value,
  counters,
  read_model,
  absence
};
std::string_view name(Wrong wrong);

struct Fault {
  Verdict verdict;
  Wrong wrong;
  std::string tenant;      ///< empty where it is no single chain
  std::optional<Seq> seq;  ///< the row; absent where it is no single row
  std::string detail;      ///< one sentence, without a value of any row
};

/// What became of the rows' personal values.
struct PersonalCounts {
  std::int64_t none = 0;       ///< rows that never had any
  std::int64_t opened = 0;     ///< the commitment was opened: they are the sealed ones
  std::int64_t erased = 0;     ///< an erasure's event accounts for them
  std::int64_t unchecked = 0;  ///< the key is absent

  void add(const PersonalCounts& other) {
    none += other.none;
    opened += other.opened;
    erased += other.erased;
    unchecked += other.unchecked;
  }
};

/// An erasure and the rows that it names.
struct Erasure {
  std::string tenant;
  Seq event;          ///< the event's own row
  std::int64_t rows;  ///< how many of the rows in question it is the first to name
};

struct ChainVerdict {
  std::int64_t rows = 0;
  std::vector<Fault> faults;  ///< at most one of the chain, one of personal values, one of counters
  PersonalCounts personal;
  std::vector<Erasure> erasures;
  std::vector<Erasure> half_erased;  ///< rows that an erasure names and that still hold a value: no fault
};

/// Which event first erased which row: ranges that do not overlap.
class ErasedRows {
 public:
  void add(SeqRange range, Seq event);

  struct Covered {
    Seq to;  ///< the last row, from the one asked, that the same event covers
    Seq event;
  };
  std::optional<Covered> find(Seq seq) const;
  /// The first row, from `seq` on, that any event covers.
  std::optional<Seq> next_from(Seq seq) const;

 private:
  struct End {
    Seq to;
    Seq event;
  };
  std::map<Seq, End> ranges_;
};

/// Checks one chain: take() with each row by rising seq, then finish() once. Borrows the sealer and the
/// keyring. Keeps one bit a row.
class ChainCheck {
 public:
  /// `keyring` null: personal values are not opened. `from_the_middle`: the chain's first rows are not read;
  /// the first one that comes is placed by its own seq and prev_checksum.
  ChainCheck(Sealer& sealer, const Keyring* keyring, std::string tenant, bool from_the_middle);

  const std::string& tenant() const { return tenant_; }
  void take(const StoredRow& stored);
  /// `head`: the stored one, or null where there is none.
  ChainVerdict finish(const StoredHead* head);

  /// Ids of keys that rows name and the keyring does not hold.
  const std::set<std::string>& absent_keys() const { return absent_keys_; }

 private:
  struct Position {
    std::string topic;
    std::int64_t partition;
    std::pair<std::int64_t, std::int64_t> last;  ///< log epoch and offset
  };

  Fault tampered(Wrong wrong, std::optional<Seq> seq, std::string detail) const;
  std::optional<Fault> fault_of(const StoredRow& stored);
  std::optional<Fault> place_fault(const StoredRow& stored) const;
  std::optional<Fault> order_fault(const StoredRow& stored);
  bool offset_rises(const Row& row);
  void check_personal(Seq seq, const Row& row);
  bool opens(const KeyEntry& entry, const Row& row);
  void note_missing(Seq seq);
  void settle_missing();
  void settle_half_erased();
  void note_personal(Seq seq, std::string detail);
  std::optional<Fault> head_fault(const StoredHead* head) const;

  Sealer& sealer_;
  const Keyring* keyring_;
  const std::string tenant_;
  const bool from_the_middle_;
  bool placed_;
  Head last_;  ///< of the rows taken so far, as computed
  bool broken_ = false;
  std::optional<Fault> personal_fault_;
  std::vector<Position> positions_;
  std::vector<SeqRange> missing_;  ///< rows with a commitment and no personal value
  std::vector<bool> holding_;      ///< whether a row has personal values, from first_ on
  Seq first_;
  ErasedRows erased_;
  std::set<std::string> absent_keys_;
  ChainVerdict verdict_;
};

}  // namespace sealstream
