#include "postgres/write_statements.h"

#include <algorithm>

#include "core/hex.h"
#include "postgres/kept_text.h"

namespace sealstream {
namespace {

void add_unless_empty(ArrayParameter& array, std::string_view text) {
  if (text.empty()) {
    array.add_null();
  } else {
    array.add(text);
  }
}

/// One header array as the text of a bytea[], since arrays of several lengths cannot be unnested row by row.
class ByteaArrayText {
 public:
  void add(const std::optional<std::string>& bytes) {
    text_ += text_.size() > 1 ? "," : "";
    if (!bytes) {
      text_ += "NULL";
      return;
    }
    text_ += R"("\\x)";
    append_hex(text_, *bytes);
    text_ += '"';
  }
  std::string finish() && { return std::move(text_) + "}"; }

 private:
  std::string text_ = "{";
};

}  // namespace

std::string begin_sql() {
  return "BEGIN ISOLATION LEVEL READ COMMITTED;"
         "SET LOCAL lock_timeout = '3s';"
         "SET LOCAL statement_timeout = '30s';"
         "SET LOCAL idle_in_transaction_session_timeout = '60s';"
         "SET LOCAL tcp_keepalives_idle = 5;"
         "SET LOCAL tcp_keepalives_interval = 2;"
         "SET LOCAL tcp_keepalives_count = 3;"
         "SET LOCAL client_min_messages = 'error';";
}

Statement heads_statement(const std::vector<HeadMove>& heads) {
  std::vector<const HeadMove*> sorted(heads.size());
  std::transform(heads.begin(), heads.end(), sorted.begin(), [](const HeadMove& move) { return &move; });
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->tenant < b->tenant; });

  ArrayParameter tenant(PgType::text), seq(PgType::int8), checksum(PgType::bytea),
      recorded_at(PgType::timestamptz), watermark(PgType::timestamptz), events(PgType::int8),
      quarantined(PgType::int8), base_seq(PgType::int8), base_checksum(PgType::bytea),
      late_events(PgType::int8), active_until(PgType::timestamptz);
  for (const auto* move : sorted) {
    tenant.add(move->tenant);
    seq.add_int8(move->after.seq.value());
    checksum.add(as_bytes(move->after.checksum));
    recorded_at.add_timestamp(move->after.recorded_at);
    watermark.add_timestamp(move->clock.watermark);
    events.add_int8(move->events);
    quarantined.add_int8(move->quarantined);
    base_seq.add_int8(move->before.seq.value());
    base_checksum.add(as_bytes(move->before.checksum));
    late_events.add_int8(move->late_events);
    if (move->clock.active_until == Timestamp::min()) {
      active_until.add_null();
    } else {
      active_until.add_timestamp(move->clock.active_until);
    }
  }
  // xmax is 0 in a row that this statement inserted, and our own transaction in one that it updated.
  return {
      R"(WITH moved AS (
  INSERT INTO audit.chain_heads AS head
    (tenant_id, seq, checksum, recorded_at, watermark, events, quarantined, base_seq, base_checksum,
     late_events, keys_active_until)
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::timestamptz[], $5::timestamptz[],
                       $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bigint[],
                       $11::timestamptz[])
  ON CONFLICT (tenant_id) DO UPDATE SET
    seq = excluded.seq, checksum = excluded.checksum, recorded_at = excluded.recorded_at,
    watermark = greatest(head.watermark, excluded.watermark),
    events = head.events + excluded.events, quarantined = head.quarantined + excluded.quarantined,
    base_seq = excluded.base_seq, base_checksum = excluded.base_checksum,
    late_events = head.late_events + excluded.late_events,
    keys_active_until = greatest(head.keys_active_until, excluded.keys_active_until)
  WHERE head.seq = excluded.base_seq AND head.checksum = excluded.base_checksum
  RETURNING xmax = 0 AND base_seq <> -1 AS misplaced)
SELECT audit.expect(count(*) = cardinality($1) AND NOT coalesce(bool_or(misplaced), false), 'SL001') FROM moved)",
      finish(tenant, seq, checksum, recorded_at, watermark, events, quarantined, base_seq, base_checksum,
             late_events, active_until)};
}

Statement quarantine_statement(const std::vector<QuarantineRow>& rows) {
  ArrayParameter topic(PgType::text), log_epoch(PgType::int8), partition(PgType::int4), offset(PgType::int8),
      timestamp(PgType::timestamptz), key(PgType::bytea), value(PgType::bytea), value_length(PgType::int8),
      header_names(PgType::text), header_values(PgType::text), redacted(PgType::int4), reason(PgType::text),
      member_path(PgType::text), message(PgType::text), sqlstate(PgType::text), constraint(PgType::text),
      tenant(PgType::text);
  for (const auto& row : rows) {
    topic.add(row.id.topic);
    log_epoch.add_int8(row.log_epoch.value());
    partition.add_int4(row.id.partition.value());
    offset.add_int8(row.offset.value());
    timestamp.add_timestamp(row.kafka_timestamp);
    key.add_or_null(row.kept.key);
    value.add_or_null(row.kept.value);
    if (row.kept.value) {
      value_length.add_int8(row.kept.value_length);
    } else {
      value_length.add_null();
    }
    ByteaArrayText names, values;
    for (const auto& [name, header_value] : row.kept.headers) {
      names.add(name);
      values.add(header_value);
    }
    header_names.add(std::move(names).finish());
    header_values.add(std::move(values).finish());
    redacted.add_int4(row.kept.redacted ? 1 : 0);
    reason.add(name(row.refusal.reason));
    add_unless_empty(member_path, kept_text(row.refusal.member_path));
    message.add(kept_text(row.refusal.message));
    add_unless_empty(sqlstate, row.sqlstate);
    add_unless_empty(constraint, row.constraint);
    add_unless_empty(tenant, row.tenant);
  }
  return {R"(INSERT INTO audit.quarantine
  (topic, log_epoch, partition, kafka_offset, kafka_timestamp, key, value, value_length, header_names,
   header_values, redacted, reason, member_path, message, sqlstate, constraint_name, tenant_id)
SELECT topic, log_epoch, partition, kafka_offset, kafka_timestamp, key, value, value_length,
       header_names::bytea[], header_values::bytea[], redacted <> 0, reason, member_path, message, sqlstate,
       constraint_name, tenant_id
FROM unnest($1::text[], $2::bigint[], $3::int[], $4::bigint[], $5::timestamptz[], $6::bytea[], $7::bytea[],
            $8::bigint[], $9::text[], $10::text[], $11::int[], $12::text[], $13::text[], $14::text[],
            $15::text[], $16::text[], $17::text[])
  AS refused (topic, log_epoch, partition, kafka_offset, kafka_timestamp, key, value, value_length,
              header_names, header_values, redacted, reason, member_path, message, sqlstate, constraint_name,
              tenant_id))",
          finish(topic, log_epoch, partition, offset, timestamp, key, value, value_length, header_names,
                 header_values, redacted, reason, member_path, message, sqlstate, constraint, tenant)};
}

Statement partitions_statement(const std::vector<PartitionMove>& partitions) {
  ArrayParameter topic(PgType::text), partition(PgType::int4), epoch(PgType::int8), from(PgType::int8),
      to(PgType::int8), accepted(PgType::int8), duplicate(PgType::int8), quarantined(PgType::int8),
      skipped(PgType::int8), unverified(PgType::int8), last_offset(PgType::int8), last_digest(PgType::bytea),
      witness_offset(PgType::int8), witness_time(PgType::timestamptz);
  for (const auto& move : partitions) {
    topic.add(move.id.topic);
    partition.add_int4(move.id.partition.value());
    epoch.add_int8(move.owner_epoch.value());
    from.add_int8(move.from.value());
    to.add_int8(move.to.value());
    accepted.add_int8(move.accepted);
    duplicate.add_int8(move.duplicate);
    quarantined.add_int8(move.quarantined);
    skipped.add_int8(move.skipped);
    unverified.add_int8(move.log_unverified);
    if (move.last) {
      last_offset.add_int8(move.last->offset.value());
      last_digest.add(as_bytes(move.last->digest));
    } else {
      last_offset.add_null();
      last_digest.add_null();
    }
    if (move.witness) {
      witness_offset.add_int8(move.witness->offset.value());
      witness_time.add_timestamp(move.witness->time);
    } else {
      witness_offset.add_null();
      witness_time.add_null();
    }
  }
  return {R"(WITH moved AS (
  UPDATE audit.partitions AS p SET
    next_offset = m.next_offset, updated_at = now(),
    accepted = p.accepted + m.accepted, duplicate = p.duplicate + m.duplicate,
    quarantined = p.quarantined + m.quarantined, skipped = p.skipped + m.skipped,
    log_unverified = p.log_unverified + m.log_unverified,
    last_offset = coalesce(m.last_offset, p.last_offset), last_digest = coalesce(m.last_digest, p.last_digest),
    witness_offset = coalesce(p.witness_offset, m.witness_offset),
    witness_time = coalesce(p.witness_time, m.witness_time)
  FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
              $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bytea[], $13::bigint[],
              $14::timestamptz[])
    AS m (topic, partition, owner_epoch, base_offset, next_offset, accepted, duplicate, quarantined, skipped,
          log_unverified, last_offset, last_digest, witness_offset, witness_time)
  WHERE p.topic = m.topic AND p.partition = m.partition
    AND p.owner_epoch = m.owner_epoch AND p.next_offset = m.base_offset
  RETURNING 1)
SELECT audit.expect(count(*) = cardinality($1), 'SL002') FROM moved)",
          finish(topic, partition, epoch, from, to, accepted, duplicate, quarantined, skipped, unverified,
                 last_offset, last_digest, witness_offset, witness_time)};
}

}  // namespace sealstream
