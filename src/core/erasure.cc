#include "sealstream/core/erasure.h"

#include <simdjson.h>

#include <array>
#include <optional>
#include <utility>

namespace sealstream {

bool is_erasure(const Row& row) {
  return row.says(Column::family, "admin") && row.says(Column::action, "erase") &&
         row.says(Column::resource_type, "ledger_rows");
}

namespace {

/// The numbers of a pair [from, to]; nullopt where it is none. On demand, because the detail's other numbers
/// may be larger than simdjson reads.
std::optional<std::pair<std::int64_t, std::int64_t>> ends(simdjson::ondemand::value value) {
  simdjson::ondemand::array pair;
  if (value.get_array().get(pair)) return std::nullopt;
  std::array<std::int64_t, 2> numbers{};
  std::size_t count = 0;
  for (simdjson::simdjson_result<simdjson::ondemand::value> end : pair) {
    if (count == numbers.size() || end.get_int64().get(numbers[count])) return std::nullopt;
    ++count;
  }
  if (count != numbers.size()) return std::nullopt;
  return std::pair(numbers[0], numbers[1]);
}

}  // namespace

std::vector<SeqRange> erased_seqs(const Row& row, Seq seq) {
  std::vector<SeqRange> ranges;
  if (!row.has(Column::detail)) return ranges;
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document detail;
  simdjson::ondemand::array pairs;
  const simdjson::padded_string json(row.bytes(Column::detail));
  if (parser.iterate(json).get(detail) || detail["erased_seqs"].get_array().get(pairs)) return ranges;
  for (simdjson::simdjson_result<simdjson::ondemand::value> pair : pairs) {
    simdjson::ondemand::value value;
    if (pair.get(value)) break;
    const auto range = ends(value);
    if (!range) continue;
    const auto [from, to] = *range;
    if (from < 0 || from > to || Seq(to) >= seq) continue;
    ranges.push_back({Seq(from), Seq(to)});
  }
  return ranges;
}

}  // namespace sealstream
