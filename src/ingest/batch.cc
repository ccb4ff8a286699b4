#include "ingest/batch.h"

namespace sealstream {

std::size_t size_of(const Record& record) {
  std::size_t bytes = (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  for (const Header& header : record.headers)
    bytes += header.name.size() + (header.value ? header.value->size() : 0);
  return bytes;
}

void refuse(Entry& entry, Refusal refusal) {
  std::vector<std::uint32_t> redactions(secret_rules().size());
  KeptRecord kept = keep(entry.record(), redactions);
  Event row = tombstone(entry.record(), refusal.reason);
  entry.refused = std::make_unique<Refused>(
      Refused{std::move(refusal), std::move(row), std::move(kept), std::move(redactions), {}, {}, false});
}

}  // namespace sealstream
