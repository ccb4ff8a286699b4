#include "postgres/readers.h"

#include "postgres/lookup.h"
#include "postgres/reading.h"

namespace sealstream {
namespace {

/// The columns of QuarantineEntry, in the order in which read_entry takes them.
constexpr const char* kEntryColumns =
    "topic, partition, log_epoch, kafka_offset, kafka_timestamp, quarantined_at, coalesce(tenant_id, ''),"
    " reason, coalesce(member_path, ''), message, coalesce(sqlstate, ''), coalesce(constraint_name, ''), "
    "state,"
    " redacted, value_length";
constexpr int kEntryColumnCount = 15;

std::string text(RowCursor& row) { return row.text(); }

RecordPlace read_place(RowCursor& row) {
  RecordPlace place;
  place.id.topic = row.text();
  place.id.partition = Partition(row.int4());
  place.log_epoch = LogEpoch(row.int8());
  place.offset = Offset(row.int8());
  return place;
}

QuarantineEntry read_entry(RowCursor row) {
  QuarantineEntry entry;
  entry.place = read_place(row);
  entry.kafka_timestamp = row.timestamp();
  entry.quarantined_at = row.timestamp();
  entry.tenant = row.text();
  entry.reason = row.text();
  entry.member_path = row.text();
  entry.message = row.text();
  entry.sqlstate = row.text();
  entry.constraint = row.text();
  entry.state = row.text();
  entry.redacted = row.boolean();
  entry.value_length = row.nullable([](RowCursor& column) { return column.int8(); });
  return entry;
}

/// The columns of PartitionTotals, in the order in which read_partition takes them.
Statement partitions_query() {
  return {
      "SELECT topic, partition, log_epoch, first_offset, next_offset, owner_epoch, coalesce(owner, ''), "
      "accepted,"
      " duplicate, quarantined, skipped, lost, log_unverified, claimed_at, updated_at, last_offset, "
      "last_digest, witness_offset, witness_time, another_log"
      " FROM audit.partitions ORDER BY topic, partition"};
}

PartitionTotals read_partition(RowCursor row) {
  PartitionTotals status;
  status.id.topic = row.text();
  status.id.partition = Partition(row.int4());
  status.log_epoch = LogEpoch(row.int8());
  status.first_offset = Offset(row.int8());
  status.next_offset = Offset(row.int8());
  status.owner_epoch = OwnerEpoch(row.int8());
  status.owner = row.text();
  status.accepted = row.int8();
  status.duplicate = row.int8();
  status.quarantined = row.int8();
  status.skipped = row.int8();
  status.lost = row.int8();
  status.log_unverified = row.int8();
  status.claimed_at = row.timestamp();
  status.updated_at = row.timestamp();
  const auto offset = row.nullable([](RowCursor& column) { return Offset(column.int8()); });
  const auto digest = row.nullable(text);
  if (offset && digest) status.last = last_record(*offset, *digest);
  const auto witness_offset = row.nullable([](RowCursor& column) { return column.int8(); });
  const auto witness_time = row.nullable([](RowCursor& column) { return column.int8(); });
  if (witness_offset && witness_time) status.witness = witness(*witness_offset, *witness_time);
  status.another_log = row.boolean();
  return status;
}

std::vector<PartitionTotals> read_partition_rows(const Answer& answer) {
  std::vector<PartitionTotals> partitions;
  partitions.reserve(static_cast<std::size_t>(row_count(answer)));
  for (int row = 0; row < row_count(answer); ++row) partitions.push_back(read_partition({answer, row}));
  return partitions;
}

std::vector<Parameter> parameters_of(const RecordPlace& place) {
  return {Parameter::text(place.id.topic), Parameter::int4(place.id.partition.value()),
          Parameter::int8(place.log_epoch.value()), Parameter::int8(place.offset.value())};
}

/// Of the minutes that have closed: a window without one opens when its first minute does. POSIX names the
/// index by minute.
Statement open_windows_query() {
  return {R"(SELECT count(*) FROM (
  SELECT DISTINCT key.tenant_id, key.key_id, span.length, date_bin(span.length, key.minute, timestamptz 'epoch')
  FROM audit.chain_heads AS head
  JOIN audit.api_key_activity AS key ON key.tenant_id = head.tenant_id COLLATE "POSIX"
    AND key.minute >= date_bin('1 day', head.watermark, timestamptz 'epoch')
  CROSS JOIN unnest('{3 min, 5 min, 10 min, 30 min, 1 h, 1 day}'::interval[]) AS span (length)
  WHERE head.keys_active_until > date_bin('1 day', head.watermark, timestamptz 'epoch')
    AND date_bin(span.length, key.minute, timestamptz 'epoch') + span.length > head.watermark) AS window_)"};
}

std::vector<Statement> status_queries() {
  return {
      {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
      {"SELECT audit.schema_version()"},
      partitions_query(),
      {"SELECT count(*), coalesce(sum(events), 0)::bigint, coalesce(sum(quarantined), 0)::bigint,"
       " coalesce(sum(late_events), 0)::bigint, (SELECT count(*) FROM audit.api_key_anomalies WHERE NOT "
       "resolved)"
       " FROM audit.chain_heads"},
      {"SELECT reason, state, count(*) FROM audit.quarantine GROUP BY reason, state ORDER BY reason, state"},
      leaves_query(),
      open_windows_query(),
      {"COMMIT"},
  };
}

}  // namespace

std::vector<QuarantineEntry> list_quarantine(Connection& as_operator, const QuarantineFilter& filter) {
  return reading(as_operator, [&] {
    const auto answer = as_operator.run_one(
        {std::string("SELECT ") + kEntryColumns +
             " FROM audit.quarantine WHERE $1 IN ('', tenant_id) AND $2 IN ('', reason) AND $3 IN ('', state)"
             " ORDER BY quarantined_at DESC, topic, partition, kafka_offset DESC LIMIT $4",
         {Parameter::text(filter.tenant), Parameter::text(filter.reason), Parameter::text(filter.state),
          Parameter::int8(filter.limit)}});
    std::vector<QuarantineEntry> entries;
    entries.reserve(static_cast<std::size_t>(row_count(answer)));
    for (int row = 0; row < row_count(answer); ++row) entries.push_back(read_entry({answer, row}));
    return entries;
  });
}

std::optional<QuarantineContent> show_quarantine(Connection& as_operator, const RecordPlace& place) {
  return reading(as_operator, [&]() -> std::optional<QuarantineContent> {
    const std::string there =
        " FROM audit.quarantine"
        " WHERE topic = $1 AND partition = $2 AND log_epoch = $3 AND kafka_offset = $4";
    const auto answers = as_operator.run_pipeline(
        {{"SELECT " + std::string(kEntryColumns) + ", key, value" + there, parameters_of(place)},
         {"SELECT header.name, header.value FROM (SELECT *" + there +
              ") AS q, unnest(q.header_names, q.header_values) WITH ORDINALITY AS header (name, value, place)"
              " ORDER BY header.place",
          parameters_of(place)}});
    if (row_count(answers[0]) == 0) return std::nullopt;
    QuarantineContent content;
    content.entry = read_entry({answers[0], 0});
    if (!is_null(answers[0], 0, kEntryColumnCount)) content.key = bytes_at(answers[0], 0, kEntryColumnCount);
    if (!is_null(answers[0], 0, kEntryColumnCount + 1)) {
      content.value = bytes_at(answers[0], 0, kEntryColumnCount + 1);
    }
    for (int row = 0; row < row_count(answers[1]); ++row) {
      RowCursor header(answers[1], row);
      auto name = header.text();
      content.headers.emplace_back(std::move(name), header.nullable(text));
    }
    return content;
  });
}

std::vector<PartitionTotals> read_partitions(Connection& as_operator) {
  return reading(as_operator, [&] { return read_partition_rows(as_operator.run_one(partitions_query())); });
}

bool is_sealed(Connection& as_auditor, const std::string& tenant, const std::string& event_id) {
  return reading(as_auditor, [&] {
    const auto answer = as_auditor.run_one({"SELECT FROM audit.ledger WHERE tenant_id = $1 AND event_id = $2",
                                            {Parameter::text(tenant), Parameter::text(event_id)}});
    return row_count(answer) > 0;
  });
}

DatabaseStatus read_status(Connection& as_auditor) {
  return reading(as_auditor, [&] {
    const auto answers = as_auditor.run_pipeline(status_queries());
    DatabaseStatus status;
    status.schema_version = int4_at(answers[1], 0, 0);
    status.partitions = read_partition_rows(answers[2]);
    status.chains = int8_at(answers[3], 0, 0);
    status.events = int8_at(answers[3], 0, 1);
    status.tombstones = int8_at(answers[3], 0, 2);
    status.late_events = int8_at(answers[3], 0, 3);
    status.open_anomalies = int8_at(answers[3], 0, 4);
    for (int row = 0; row < row_count(answers[4]); ++row) {
      RowCursor count(answers[4], row);
      auto reason = count.text();
      auto state = count.text();
      status.quarantine.push_back({std::move(reason), std::move(state), count.int8()});
    }
    status.leaves = read_leaves(answers[5]);
    status.open_windows = int8_at(answers[6], 0, 0);
    return status;
  });
}

}  // namespace sealstream
