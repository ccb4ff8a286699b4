#include "postgres/lookup.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "postgres/leaves.h"

namespace sealstream {
namespace {

bool concerns(const IdQuery& id, Timestamp leaf_end) { return leaf_end > id.since; }

template <class Bytes>
Bytes fixed_bytes(std::string_view bytes) {
  Bytes out;
  assert(bytes.size() == out.size());
  std::memcpy(out.data(), bytes.data(), std::min(bytes.size(), out.size()));
  return out;
}

}  // namespace

// LATERAL with a LIMIT keeps the planner from joining by a scan of the whole table, whatever its statistics.
Statement chains_query(std::span<const std::string_view> tenants) {
  ArrayParameter names(PgType::text);
  for (const auto tenant : tenants) names.add(tenant);
  return {
      R"(SELECT asked.place, head.seq, head.checksum, head.recorded_at, head.watermark, head.keys_active_until
FROM unnest($1::text[]) WITH ORDINALITY AS asked (tenant_id, place)
CROSS JOIN LATERAL (SELECT h.seq, h.checksum, h.recorded_at, h.watermark, h.keys_active_until
                    FROM audit.chain_heads AS h
                    WHERE h.tenant_id = asked.tenant_id LIMIT 1) AS head)",
      {std::move(names).finish()}};
}

void read_chains(const Answer& answer, std::vector<ChainState>& chains) {
  const auto moment = [&](int row, int column) {
    return is_null(answer, row, column) ? Timestamp::min() : from_postgres_time(int8_at(answer, row, column));
  };
  for (int row = 0; row < row_count(answer); ++row) {
    auto& chain = chains.at(static_cast<std::size_t>(int8_at(answer, row, 0) - 1));
    chain.head = {Seq(int8_at(answer, row, 1)), fixed_bytes<Checksum>(bytes_at(answer, row, 2)),
                  from_postgres_time(int8_at(answer, row, 3))};
    chain.clock = {moment(row, 4), moment(row, 5)};
  }
}

Statement leaves_query() {
  return {R"(SELECT leaf.relname FROM pg_catalog.pg_inherits AS link
JOIN pg_catalog.pg_class AS leaf ON leaf.oid = link.inhrelid
WHERE link.inhparent = 'audit.ledger'::pg_catalog.regclass AND NOT link.inhdetachpending
ORDER BY leaf.relname)"};
}

std::vector<std::string> read_leaves(const Answer& answer) {
  std::vector<std::string> leaves;
  for (int row = 0; row < row_count(answer); ++row) {
    const auto name = bytes_at(answer, row, 0);
    if (leaf_end(name)) leaves.emplace_back(name);
  }
  return leaves;
}

bool concerns(std::span<const IdQuery> ids, std::string_view leaf) {
  const auto end = leaf_end(leaf);
  return end && std::any_of(ids.begin(), ids.end(), [&](const IdQuery& id) { return concerns(id, *end); });
}

Statement ids_query(std::span<const IdQuery> ids, const std::string& leaf) {
  const auto end = leaf_end(leaf);
  assert(end);
  ArrayParameter tenants(PgType::text), events(PgType::text), places(PgType::int4);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!concerns(ids[i], *end)) continue;
    tenants.add(ids[i].tenant);
    events.add(ids[i].id);
    places.add_int4(static_cast<std::int32_t>(i));
  }
  return {
      "SELECT asked.place, found.seq, found.source_digest, found.personal_key_id"
      " FROM unnest($1::text[], $2::text[], $3::int[]) AS asked (tenant_id, event_id, place)"
      " CROSS JOIN LATERAL (SELECT l.seq, l.source_digest, l.personal_key_id FROM audit." +
          leaf +
          " AS l WHERE l.tenant_id = asked.tenant_id AND l.event_id = asked.event_id LIMIT 1) AS found",
      {std::move(tenants).finish(), std::move(events).finish(), std::move(places).finish()}};
}

void read_stored(const Answer& answer, std::vector<std::optional<StoredEvent>>& stored) {
  for (int row = 0; row < row_count(answer); ++row) {
    auto& place = stored.at(static_cast<std::size_t>(int4_at(answer, row, 0)));
    if (place) continue;
    place = StoredEvent{Seq(int8_at(answer, row, 1)), fixed_bytes<SourceDigest>(bytes_at(answer, row, 2)),
                        std::string(bytes_at(answer, row, 3))};
  }
}

}  // namespace sealstream
