#include "simulation/judge.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace sealstream::simulation {
namespace {

std::string place(int partition, std::int64_t offset) {
  return std::to_string(partition) + "/" + std::to_string(offset);
}

std::optional<std::string> rows_of(const std::vector<Sent>& sent, int partition,
                                   const StoredPartition& stored,
                                   const std::map<std::pair<int, std::int64_t>, const StoredRow*>& rows) {
  StoredPartition counted;
  for (std::int64_t offset = stored.first.value(); offset < stored.next.value(); ++offset) {
    const Sent& record = sent.at(static_cast<std::size_t>(offset));
    const auto row = rows.find({partition, offset});
    const bool there = row != rows.end();
    const std::string where =
        " (" + record.id + " of " + record.tenant + " at " + place(partition, offset) + ")";
    switch (record.fate) {
      case Sent::Fate::accepted:
        if (!there || row->second->tombstone) return "I1: an event is missing" + where;
        if (row->second->event_id != record.id || row->second->tenant != record.tenant)
          return "I10: a row holds another event" + where;
        ++counted.accepted;
        break;
      case Sent::Fate::tombstone:
        if (!there || !row->second->tombstone || row->second->tenant != record.tenant)
          return "I1: a refused record left no tombstone" + where;
        ++counted.quarantined;
        break;
      case Sent::Fate::duplicate:
        if (there) return "I2: a duplicate has a row" + where;
        ++counted.duplicate;
        break;
      case Sent::Fate::skipped:
        if (there) return "I2: a control record has a row" + where;
        ++counted.skipped;
    }
  }
  const auto counts = [](const StoredPartition& of) {
    return std::to_string(of.accepted) + " accepted, " + std::to_string(of.duplicate) + " duplicate, " +
           std::to_string(of.quarantined) + " quarantined, " + std::to_string(of.skipped) + " skipped";
  };
  if (counts(counted) != counts(stored)) {
    return "I11: partition " + std::to_string(partition) + " counts " + counts(stored) + " instead of " +
           counts(counted);
  }
  return std::nullopt;
}

std::optional<std::string> chain_of(const std::string& tenant, std::vector<const StoredRow*> rows,
                                    const ChainState& chain) {
  std::sort(rows.begin(), rows.end(),
            [](const auto* one, const auto* other) { return one->seq < other->seq; });
  Head head;
  std::map<int, Offset> last;
  for (const StoredRow* row : rows) {
    if (row->seq != next(head.seq))
      return "I4: " + tenant + " has no row " + std::to_string(next(head.seq).value()) + ", or two";
    if (row->prev_checksum != head.checksum)
      return "I4: row " + std::to_string(row->seq.value()) + " of " + tenant + " does not continue its chain";
    if (const auto before = last.find(row->partition); before != last.end() && row->offset <= before->second)
      return "I3: row " + std::to_string(row->seq.value()) + " of " + tenant +
             " lies before its predecessor in the log";
    last[row->partition] = row->offset;
    head.seq = row->seq;
    head.checksum = row->checksum;
  }
  if (chain.head.seq != head.seq || chain.head.checksum != head.checksum)
    return "I4: the head of " + tenant + " is not its last row";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> judge(const History& history, const Contents& contents) {
  std::map<std::pair<int, std::int64_t>, const StoredRow*> by_offset;
  std::map<std::string, std::vector<const StoredRow*>> by_tenant;
  std::set<std::pair<std::string, std::string>> ids;
  for (const StoredRow& row : contents.rows) {
    if (!by_offset.emplace(std::pair(row.partition, row.offset.value()), &row).second)
      return "I2: two rows of " + place(row.partition, row.offset.value());
    const auto stored = contents.partitions.find(row.partition);
    if (stored == contents.partitions.end() || row.offset >= stored->second.next)
      return "I5: a row beyond its partition's next offset, " + place(row.partition, row.offset.value());
    if (!row.tombstone && !ids.emplace(row.tenant, row.event_id).second)
      return "I2: two rows of event " + row.event_id + " of " + row.tenant;
    by_tenant[row.tenant].push_back(&row);
  }
  for (const auto& [partition, stored] : contents.partitions) {
    if (auto found = rows_of(history.at(static_cast<std::size_t>(partition)), partition, stored, by_offset))
      return found;
  }
  for (const auto& [tenant, chain] : contents.chains) {
    if (auto found = chain_of(tenant, std::exchange(by_tenant[tenant], {}), chain)) return found;
  }
  for (const auto& [tenant, rows] : by_tenant) {
    if (!rows.empty()) return "I4: " + tenant + " has rows and no head";
  }
  const auto tombstones = std::count_if(contents.rows.begin(), contents.rows.end(),
                                        [](const StoredRow& row) { return row.tombstone; });
  if (tombstones != contents.kept)
    return "I1: " + std::to_string(tombstones) + " tombstones, but " + std::to_string(contents.kept) +
           " refused records are kept";
  return std::nullopt;
}

}  // namespace sealstream::simulation
