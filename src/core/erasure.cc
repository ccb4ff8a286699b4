#include "sealstream/core/erasure.h"

#include <simdjson.h>

namespace sealstream {

bool is_erasure(const Row& row) {
  return row.says(Column::family, "admin") && row.says(Column::action, "erase") &&
         row.says(Column::resource_type, "ledger_rows");
}

std::vector<SeqRange> erased_seqs(const Row& row, Seq seq) {
  std::vector<SeqRange> ranges;
  if (!row.has(Column::detail)) return ranges;
  simdjson::dom::parser parser;
  simdjson::dom::array pairs;
  if (parser.parse(simdjson::padded_string(row.bytes(Column::detail)))["erased_seqs"].get(pairs))
    return ranges;
  for (const simdjson::dom::element pair : pairs) {
    std::int64_t from = 0;
    std::int64_t to = 0;
    if (pair.at(0).get(from) || pair.at(1).get(to)) continue;
    if (from < 0 || from > to || Seq(to) >= seq) continue;
    ranges.push_back({Seq(from), Seq(to)});
  }
  return ranges;
}

}  // namespace sealstream
