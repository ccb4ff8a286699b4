#include "ingest/batch_report.h"

namespace sealstream {
namespace {

void add(std::vector<std::uint32_t>& sum, const std::vector<std::uint32_t>& hits) {
  if (sum.size() < hits.size()) sum.resize(hits.size());
  for (std::size_t rule = 0; rule < hits.size(); ++rule) sum[rule] += hits[rule];
}

void add(BatchReport& report, const Entry& entry, Timestamp committed_at) {
  TopicFlow& flow = report.topics[entry.partition->id.topic];
  const auto bytes = static_cast<std::int64_t>(size_of(entry.record()));
  ++flow.records;
  flow.bytes += bytes;
  report.bytes += static_cast<std::size_t>(bytes);
  add(report.redactions, entry.redactions);
  if (entry.refused) {
    ++flow.quarantined[static_cast<std::size_t>(entry.refused->refusal.reason)];
    add(report.redactions, entry.refused->redactions);
  }
  if (entry.fate == Fate::accepted) {
    ++flow.persisted[static_cast<std::size_t>(entry.event.family)];
    const std::chrono::duration<double> latency = committed_at - entry.record().timestamp;
    report.latencies_seconds.push_back(latency.count());
  }
}

/// Kafka's timestamp of the partition's last record in the batch.
std::optional<Timestamp> last_timestamp(std::span<const Entry> entries, const PartitionId& id) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->fetched && entry->partition->id == id) return entry->record().timestamp;
  }
  return std::nullopt;
}

}  // namespace

BatchReport report_on(std::span<const Entry> entries, const WriteSet& writes, Timestamp committed_at) {
  BatchReport report;
  report.rows = writes.rows.size();
  for (const Entry& entry : entries) {
    if (entry.fetched) add(report, entry, committed_at);
  }
  for (const HeadMove& move : writes.heads) report.late_events += move.late_events;
  for (const PartitionMove& move : writes.partitions) {
    report.duplicates += move.duplicate;
    report.skipped += move.skipped;
    report.next_offsets.emplace_back(move.id, move.to);
    if (const auto last = last_timestamp(entries, move.id))
      report.last_timestamps.emplace_back(move.id, *last);
  }
  return report;
}

}  // namespace sealstream
