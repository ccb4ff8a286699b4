#include "ingest/composer.h"

#include <algorithm>
#include <cassert>
#include <map>

#include "ingest/sabotage.h"
#include "ingest/stage_timer.h"

namespace sealstream {
namespace {

using std::chrono::hours;

/// An event's time may lie this far ahead of its record's Kafka timestamp (schemas/README.md, "time").
constexpr hours kTimeAhead{24};

Timestamp month_of(Timestamp at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  return Timestamp(std::chrono::sys_days(date.year() / date.month() / 1));
}

SourceDigest digest_of(const Event& event) {
  SourceDigest digest;
  const std::string_view bytes = event.row.bytes(Column::source_digest);
  assert(bytes.size() == digest.size());
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

/// An event's identity, for sets of the accepted entries of a batch.
struct SameId {
  bool operator()(const Entry* a, const Entry* b) const {
    return a->event.id == b->event.id && a->event.tenant == b->event.tenant;
  }
};
struct HashOfId {
  std::size_t operator()(const Entry* entry) const { return entry->id_hash; }
};

/// The step that `entry` makes, counted into its partition's move.
void count(const Entry& entry, PartitionMove& move) {
  const std::int64_t steps = distance(move.to, entry.next);
  assert(steps > 0);
  move.skipped += entry.fate == Fate::end ? steps : steps - 1;
  move.accepted += entry.fate == Fate::accepted;
  move.duplicate += entry.fate == Fate::duplicate;
  move.quarantined += entry.fate == Fate::refused;
  move.to = entry.next;
}

QuarantineRow quarantine_row(const Entry& entry) {
  const Refused& refused = *entry.refused;
  const Record& record = entry.record();
  return {.id = entry.partition->id,
          .log_epoch = record.log_epoch,
          .offset = record.offset,
          .kafka_timestamp = record.timestamp,
          .kept = refused.kept,
          .refusal = refused.refusal,
          .sqlstate = refused.sqlstate,
          .constraint = refused.constraint,
          .tenant = refused.tombstone.tenant};
}

/// What the sealed row means to the windows of its tenant's keys.
void advance_clock(const Event& event, HeadMove& move, std::vector<WindowStep>& steps) {
  if (event.family == Family::api_key) {
    if (move.clock.is_late(event.time)) {
      ++move.late_events;
    } else {
      move.clock.note_key_event(event.time);
    }
  }
  if (const auto closing = move.clock.advance(event.time, move.after.recorded_at)) {
    steps.push_back({move.tenant, *closing, move.after.seq, closing->from - kTimeAhead});
  }
}

}  // namespace

Composer::Composer(const IngestOptions& options, const Keyring& keyring, Probe& probe)
    : options_(options), keyring_(keyring), probe_(probe), sealer_(keyring), recent_(options.recent_ids) {}

void Composer::identify(Entry& entry) {
  Event& event = entry.sealed();
  sealer_.identify(entry.record(), event.tenant, event.row);
  if (!entry.refused) entry.id_hash = RecentIds::hash(event.tenant, event.id);
}

WriteSet Composer::compose(std::span<Entry> entries, Ledger& ledger) {
  for (Entry& entry : entries) {
    if (entry.refused && entry.refused->only_within_batch) entry.refused.reset();
  }
  if (heads_.size() > options_.cached_heads) heads_.clear();
  name_tenants(entries);
  StoredEvents stored;
  {
    const StageTimer timer(probe_, Stage::prepare);
    fetch(entries, ledger, stored);
  }
  const StageTimer timer(probe_, Stage::seal);
  settle(entries, stored);
  return seal_all(entries);
}

WriteSet Composer::seal_all(std::span<Entry> entries) {
  WriteSet writes;
  writes.rows.reserve(entries.size());
  std::map<const OpenPartition*, std::size_t> partitions;
  for (Entry& entry : entries) {
    const auto [slot, fresh] = partitions.try_emplace(entry.partition, writes.partitions.size());
    if (fresh) {
      PartitionMove& move = writes.partitions.emplace_back();
      move.id = entry.partition->id;
      move.owner_epoch = entry.partition->claim.owner_epoch;
      move.from = move.to = entry.partition->claim.next_offset;
      move.log_unverified = entry.partition->log_unverified;
    }
    PartitionMove& move = writes.partitions[slot->second];
    count(entry, move);
    if (entry.fetched) {
      move.last = LastRecord{entry.record().offset, {}};
      move.witness = entry.partition->claim.witness;
    }
    if (entry.fate == Fate::accepted || entry.fate == Fate::refused) seal(entry, writes);
  }
  for (PartitionMove& move : writes.partitions) {
    if (!move.last) continue;
    const auto last = std::find_if(entries.rbegin(), entries.rend(), [&](const Entry& entry) {
      return entry.fetched && entry.partition->id == move.id;
    });
    move.last->digest = sealer_.source_digest(nullptr, {}, last->record());
  }
  return writes;
}

/// Looks each entry's tenant up once: from here on it is a number.
void Composer::name_tenants(std::span<Entry> entries) {
  tenants_.clear();
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  for (Entry& entry : entries) {
    if (!entry.fetched) continue;
    const std::string& name = entry.sealed().tenant;
    const auto [number, fresh] = numbers.try_emplace(name, static_cast<std::uint32_t>(tenants_.size()));
    if (fresh) tenants_.push_back({.name = name, .known = &heads_[name], .recorded_at = {}, .move = {}});
    entry.tenant = number->second;
  }
}

void Composer::fetch(std::span<Entry> entries, Ledger& ledger, StoredEvents& stored) {
  std::unordered_set<const Entry*> asked;
  // Twice at most: with the heads known, an event may turn out to belong into a later leaf than its own
  // timestamp says.
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<std::string_view> names;
    std::vector<KnownHead*> wanted;
    for (Tenant& tenant : tenants_) {
      const auto& chain = tenant.known->chain;
      tenant.recorded_at = chain ? chain->head.recorded_at : Timestamp::min();
      if (chain) continue;
      names.push_back(tenant.name);
      wanted.push_back(tenant.known);
    }
    std::vector<IdQuery> queries;
    std::vector<const Entry*> queried;
    for (Entry& entry : entries) {
      if (!entry.fetched) continue;
      Timestamp& recorded_at = tenants_[entry.tenant].recorded_at;
      recorded_at = std::max(recorded_at, entry.record().timestamp);
      if (entry.refused || asked.contains(&entry) || !must_look_up(entry, recorded_at)) continue;
      const Event& event = entry.event;
      queries.push_back({event.tenant, event.id, event.time - kTimeAhead});
      queried.push_back(&entry);
      asked.insert(&entry);
    }
    if (names.empty() && queries.empty()) return;
    Prepared prepared = ledger.prepare(names, queries);
    assert(prepared.chains.size() == names.size() && prepared.stored.size() == queries.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i]->chain = prepared.chains[i];
    for (std::size_t i = 0; i < queries.size(); ++i) {
      if (prepared.stored[i]) stored.emplace(queried[i], std::move(*prepared.stored[i]));
    }
  }
}

bool Composer::must_look_up(const Entry& entry, Timestamp recorded_at) const {
  const Event& event = entry.event;
  if (lookup_batches_left_ > 0 || recent_.suspects(entry.id_hash)) return true;
  return month_of(recorded_at) > event.time - kTimeAhead;  // an older leaf may hold it
}

void Composer::forget_heads() {
  for (auto& [tenant, known] : heads_) known.chain.reset();
}

void Composer::settle(std::span<Entry> entries, const StoredEvents& stored) {
  std::unordered_set<const Entry*, HashOfId, SameId> accepted(entries.size());
  for (Entry& entry : entries) {
    if (!entry.fetched) {
      entry.fate = Fate::end;
      continue;
    }
    if (entry.refused) {
      entry.fate = Fate::refused;
      continue;
    }
    if (const auto found = stored.find(&entry); found != stored.end()) {
      settle_against(entry, {found->second.digest, found->second.personal_key_id}, false);
      continue;
    }
    const auto [first, fresh] = accepted.insert(&entry);
    if (fresh) {
      entry.fate = Fate::accepted;
    } else {
      const Event& other = (*first)->event;
      settle_against(entry, {digest_of(other), other.row.bytes(Column::personal_key_id)}, true);
    }
  }
}

void Composer::settle_against(Entry& entry, const Stored& stored, bool within_batch) {
  if (same_content(entry, stored) || mutant("conflict_taken_for_duplicate")) {
    entry.fate = Fate::duplicate;
    return;
  }
  refuse(entry, {Reason::id_conflict, "id",
                 "The id was used before for an event with other content; mint a new id for every event."});
  entry.refused->only_within_batch = within_batch;
  entry.fate = Fate::refused;
  identify(entry);
}

bool Composer::same_content(const Entry& entry, const Stored& stored) {
  if (stored.key_id == entry.event.row.bytes(Column::personal_key_id))
    return stored.digest == digest_of(entry.event);
  const KeyEntry* key = keyring_.find(stored.key_id);
  if (key == nullptr) {
    probe_.duplicate_unverified();
    return true;
  }
  return stored.digest == sealer_.source_digest(key, entry.event.tenant, entry.record());
}

void Composer::seal(Entry& entry, WriteSet& writes) {
  Event& event = entry.sealed();
  Tenant& tenant = tenants_[entry.tenant];
  note_partition(*tenant.known, entry.partition->id);
  if (!tenant.move) {
    tenant.move = writes.heads.size();
    const ChainState& chain = *tenant.known->chain;
    writes.heads.push_back(
        {.tenant = event.tenant, .before = chain.head, .after = chain.head, .clock = chain.clock});
  }
  HeadMove& move = writes.heads[*tenant.move];
  const Checksum previous = move.after.checksum;
  const Checksum checksum = sealer_.seal(event.tenant, entry.record().timestamp, event.row, move.after);
  assert(move.after.checksum == checksum);
  writes.rows.push_back({event.tenant, move.after.seq, &event.row, previous, checksum});
  advance_clock(event, move, writes.steps);
  if (entry.fate == Fate::refused) {
    ++move.quarantined;
    writes.quarantine.push_back(quarantine_row(entry));
  } else {
    ++move.events;
  }
}

void Composer::note_partition(KnownHead& known, const PartitionId& id) {
  PartitionId& seen_in = known.seen_in;
  if (seen_in.topic == id.topic && seen_in.partition != id.partition) probe_.tenant_split();
  if (seen_in != id) seen_in = id;
}

void Composer::committed(std::span<Entry> entries, const WriteSet& writes) {
  for (const HeadMove& move : writes.heads)
    heads_[std::string(move.tenant)].chain = ChainState{move.after, move.clock};
  for (const Entry& entry : entries) {
    entry.partition->claim.next_offset = entry.next;
    entry.partition->log_unverified = 0;
    if (entry.fate == Fate::accepted) recent_.remember(entry.id_hash);
  }
  if (lookup_batches_left_ > 0) --lookup_batches_left_;
}

}  // namespace sealstream
