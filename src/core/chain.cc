#include "sealstream/core/chain.h"

#include <algorithm>
#include <vector>

#include "core/big_endian.h"

namespace sealstream {
namespace {

constexpr std::string_view kRowDomain = "sealstream/row/v1\n";
constexpr std::string_view kTenantKeyDomain = "sealstream/tenant-key/v1\n";
constexpr std::string_view kSaltDomain = "sealstream/salt/v1\n";
constexpr std::string_view kPersonalDomain = "sealstream/personal/v1\n";
constexpr std::string_view kSourceDomain = "sealstream/source/v1\n";
constexpr std::uint32_t kNullLength = 0xFFFFFFFF;

void append_entry(std::string& out, const ColumnInfo& column, const Row& row) {
  const std::string_view bytes = row.bytes(column.column);
  append_big_endian(out, static_cast<std::uint16_t>(column.column));
  out += static_cast<char>(column.type);
  append_big_endian(out, static_cast<std::uint32_t>(bytes.size()));
  out += bytes;
}

/// Appends the entries of the set columns of one kind and tells how many.
std::uint16_t append_entries(std::string& out, const Row& row, bool personal) {
  std::uint16_t count = 0;
  for (const ColumnInfo& column : kColumns) {
    if (column.personal != personal || !row.has(column.column)) continue;
    append_entry(out, column, row);
    ++count;
  }
  return count;
}

void append_field(std::string& out, std::optional<std::string_view> bytes) {
  append_big_endian(out, bytes ? static_cast<std::uint32_t>(bytes->size()) : kNullLength);
  if (bytes) out += *bytes;
}

bool is_covered(const Header& header) {
  return header.name.starts_with("ce_") || header.name == "content-type";
}

/// The headers that the digest covers, by name; equal names stay in the record's order.
std::vector<const Header*> covered_headers(const Record& record) {
  std::vector<const Header*> covered;
  for (const Header& header : record.headers) {
    if (is_covered(header)) covered.push_back(&header);
  }
  std::stable_sort(covered.begin(), covered.end(),
                   [](const Header* a, const Header* b) { return a->name < b->name; });
  return covered;
}

}  // namespace

void append_row_record(std::string& out, std::string_view tenant, Seq seq, const Checksum& prev,
                       const Row& row) {
  assert(tenant.size() <= UINT16_MAX && seq >= Seq(0));
  out += kRowDomain;
  append_big_endian(out, static_cast<std::uint16_t>(tenant.size()));
  out += tenant;
  append_big_endian(out, static_cast<std::uint64_t>(seq.value()));
  out += as_bytes(prev);
  const std::size_t count_begin = out.size();
  append_big_endian(out, std::uint16_t{0});
  const auto count = big_endian(append_entries(out, row, false));
  out.replace(count_begin, count.size(), count.data(), count.size());
}

void append_personal_entries(std::string& out, const Row& row) { append_entries(out, row, true); }

Sealer::Sealer(const Keyring& keyring) : keyring_(keyring) {}

void Sealer::identify(const Record& record, std::string_view tenant, Row& row) {
  const KeyEntry& entry = keyring_.at(record.timestamp);
  const TenantKey& key = tenant_key(entry, tenant);
  row.set_text(Column::personal_key_id, entry.id);
  row.set_bytes(Column::source_digest, as_bytes(source_digest(key, record)));
  if (const auto personal = commitment(key, row.bytes(Column::event_id), row)) {
    row.set_bytes(Column::personal_commitment, as_bytes(*personal));
  } else {
    row.clear(Column::personal_commitment);
  }
}

Checksum Sealer::seal(std::string_view tenant, Timestamp kafka_timestamp, Row& row, Head& head) {
  assert(row.bytes(Column::personal_key_id) == keyring_.at(kafka_timestamp).id);
  row.set_timestamp(Column::recorded_at, std::max(kafka_timestamp, head.recorded_at));
  const Seq seq = next(head.seq);
  head = {seq, checksum(tenant, seq, head.checksum, row), row.timestamp_value(Column::recorded_at)};
  return head.checksum;
}

Checksum Sealer::checksum(std::string_view tenant, Seq seq, const Checksum& prev, const Row& row) {
  buffer_.clear();
  append_row_record(buffer_, tenant, seq, prev, row);
  return hash_.update(buffer_).finish();
}

std::optional<Commitment> Sealer::commitment(const KeyEntry& entry, std::string_view tenant,
                                             std::string_view event_id, const Row& row) {
  return commitment(tenant_key(entry, tenant), event_id, row);
}

std::optional<Commitment> Sealer::commitment(const TenantKey& key, std::string_view event_id,
                                             const Row& row) {
  buffer_.clear();
  append_personal_entries(buffer_, row);
  if (buffer_.empty()) return std::nullopt;
  const auto salt = first<32>(hash_.update(kSaltDomain).update(as_bytes(key)).update(event_id).finish());
  return first<32>(hash_.update(kPersonalDomain).update(as_bytes(salt)).update(buffer_).finish());
}

SourceDigest Sealer::source_digest(const KeyEntry* entry, std::string_view tenant, const Record& record) {
  constexpr TenantKey kNoKey{};
  return source_digest(entry ? tenant_key(*entry, tenant) : kNoKey, record);
}

SourceDigest Sealer::source_digest(const TenantKey& key, const Record& record) {
  buffer_ = kSourceDomain;
  buffer_ += as_bytes(key);
  append_field(buffer_, record.key);
  append_field(buffer_, record.value);
  for (const Header* header : covered_headers(record)) {
    append_field(buffer_, header->name);
    append_field(buffer_, header->value);
  }
  return first<16>(hash_.update(buffer_).finish());
}

const TenantKey& Sealer::tenant_key(const KeyEntry& entry, std::string_view tenant) {
  // A tenant id holds no NUL, so the name is unambiguous.
  tenant_key_name_.assign(tenant).append(1, '\0').append(entry.id);
  const auto known = tenant_keys_.find(tenant_key_name_);
  if (known != tenant_keys_.end()) return known->second;
  if (tenant_keys_.size() >= kMaxTenantKeys) tenant_keys_.clear();
  const Checksum key = hash_.update(kTenantKeyDomain).update(as_bytes(entry.key)).update(tenant).finish();
  return tenant_keys_.emplace(tenant_key_name_, first<32>(key)).first->second;
}

}  // namespace sealstream
