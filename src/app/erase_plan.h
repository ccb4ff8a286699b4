// Which rows an erasure takes with which event. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/chain_check.h"
#include "sealstream/core/erasure.h"

namespace sealstream {

/// An event holds no more ranges (schemas/events/admin.schema.json).
inline constexpr std::size_t kMaxErasedRanges = 1'000;
/// And names no more rows: the tenant's chain waits while they are erased.
inline constexpr std::int64_t kMaxErasedRows = 5'000;

struct ErasePlan {
  /// Rows that an event in the chain names already, by its seq: they are erased without another.
  std::map<Seq, std::vector<SeqRange>> named;
  /// All others: what one event to be published names, within the limits above.
  std::vector<std::vector<SeqRange>> fresh;
};

/// `rows` by rising seq, without overlap.
ErasePlan plan_erasure(std::span<const SeqRange> rows, const ErasedRows& erased);

std::int64_t count_rows(std::span<const SeqRange> rows);

/// How `text`, which is UTF-8, may stand in a record: as it is, and escaped in JSON, with or without what is
/// not ASCII, with small or capital digits.
std::vector<std::string> written_forms(std::string_view text);

}  // namespace sealstream
