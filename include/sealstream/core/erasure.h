// The event that accounts for erased personal values: which rows of its chain an erasure covers.
#pragma once

#include <vector>

#include "sealstream/core/ids.h"
#include "sealstream/core/row.h"

namespace sealstream {

/// Rows `from` to `to` of a chain, both included.
struct SeqRange {
  Seq from;
  Seq to;
  friend bool operator==(const SeqRange&, const SeqRange&) = default;
};

/// Whether the row is an erasure's event: family admin, action erase, resource.type ledger_rows.
bool is_erasure(const Row& row);

/// The rows that an erasure's event at `seq` says were erased: detail.erased_seqs, [[from, to], …]. What is
/// no range of earlier rows is left out, and all of it where the detail says nothing.
std::vector<SeqRange> erased_seqs(const Row& row, Seq seq);

}  // namespace sealstream
