#include "postgres/write_set.h"

namespace sealstream {

Checksum made_up_checksum(std::string_view tenant, Seq seq) {
  Checksum checksum{};
  if (seq == Seq(-1)) return checksum;
  checksum.fill(static_cast<std::uint8_t>(tenant.size() * 31 + static_cast<std::size_t>(seq.value())));
  return checksum;
}

Head made_up_head(std::string_view tenant, Seq seq, Timestamp recorded_at) {
  return {seq, made_up_checksum(tenant, seq), recorded_at};
}

TestBatch& TestBatch::after(std::string_view tenant, const Head& head) {
  heads_[std::string(tenant)] = {head, head};
  return *this;
}

Row& TestBatch::event(std::string_view tenant, std::string_view id, Timestamp recorded_at) {
  ++heads_[std::string(tenant)].events;
  ++move_.accepted;
  return append(tenant, id, "admin", recorded_at);
}

QuarantineRow& TestBatch::refused(std::string_view tenant, Timestamp recorded_at) {
  ++heads_[std::string(tenant)].quarantined;
  ++move_.quarantined;
  const Offset offset = next_offset();
  append(tenant, "!" + id_.topic + "/0/0/" + std::to_string(offset.value()), "quarantined", recorded_at);
  QuarantineRow row{id_, claim_.log_epoch, offset, recorded_at, {}, {Reason::schema, "", ""}, "", "", ""};
  row.refusal = {Reason::invalid_json, "data.usage", "send an object"};
  row.kept.key = "acme";
  row.kept.value = "{";
  row.kept.value_length = 1;
  row.tenant = tenant;
  return writes_.quarantine.emplace_back(std::move(row));
}

TestBatch& TestBatch::skip(std::int64_t records) {
  records_ += records;
  move_.skipped += records;
  return *this;
}

TestBatch& TestBatch::duplicate(std::int64_t records) {
  records_ += records;
  move_.duplicate += records;
  return *this;
}

Row& TestBatch::append(std::string_view tenant, std::string_view id, std::string_view family,
                       Timestamp recorded_at) {
  auto found = heads_.find(std::string(tenant));
  Head& head = found->second.after;
  Row& row = rows_.emplace_back();
  row.set_text(Column::event_id, id);
  row.set_text(Column::family, family);
  row.set_text(Column::action, "user.created");
  row.set_int(Column::schema_version, 1);
  row.set_text(Column::source, "test");
  row.set_timestamp(Column::event_time, recorded_at);
  row.set_timestamp(Column::recorded_at, recorded_at);
  row.set_text(Column::kafka_topic, id_.topic);
  row.set_int(Column::kafka_log_epoch, claim_.log_epoch.value());
  row.set_int(Column::kafka_partition, id_.partition.value());
  row.set_int(Column::kafka_offset, next_offset().value());
  row.set_bytes(Column::source_digest, "0123456789abcdef");
  row.set_int(Column::rules_version, 1);
  row.set_text(Column::personal_key_id, "k1");
  const Checksum before = head.checksum;
  head = made_up_head(tenant, next(head.seq), recorded_at);
  writes_.rows.push_back({found->first, head.seq, &row, before, head.checksum});
  ++records_;
  return row;
}

const WriteSet& TestBatch::writes() {
  writes_.heads.clear();
  for (const auto& [tenant, chain] : heads_) {
    if (chain.after == chain.before) continue;
    writes_.heads.push_back(
        {tenant, chain.before, chain.after, chain.events, chain.quarantined, 0, {kNow, Timestamp::min()}});
  }
  move_.id = id_;
  move_.owner_epoch = claim_.owner_epoch;
  move_.from = claim_.next_offset;
  move_.to = next_offset();
  if (records_ > 0) move_.last = LastRecord{Offset(next_offset().value() - 1), {1, 2, 3}};
  writes_.partitions = {move_};
  return writes_;
}

}  // namespace sealstream
