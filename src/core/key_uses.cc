#include "sealstream/core/key_uses.h"

#include <algorithm>
#include <cassert>

namespace sealstream {
namespace {

std::optional<std::string_view> text_of(const Row& row, Column column) {
  return row.has(column) ? std::optional(row.bytes(column)) : std::nullopt;
}

void keep_first(std::optional<std::string_view>& kept, const Row& row, Column column) {
  if (!kept) kept = text_of(row, column);
}

}  // namespace

bool is_key_event(const Row& row) {
  return row.bytes(Column::family) == "api_key" && row.has(Column::key_id) &&
         row.bytes(Column::action) != "auth_failed";
}

bool is_key_use(const Row& row) { return is_key_event(row) && row.bytes(Column::action) == "used"; }

void KeyUses::add(std::string_view tenant, const Row& row) {
  assert(is_key_use(row));
  KeyUse& use = uses_[{tenant, row.bytes(Column::key_id)}];
  const Timestamp time = row.timestamp_value(Column::event_time);
  if (use.count++ == 0 || time >= use.last_at) {
    use.last_at = time;
    use.last_ip = text_of(row, Column::client_ip);
  }
  keep_first(use.key_hash, row, Column::key_hash);
  keep_first(use.key_prefix, row, Column::key_prefix);
  keep_first(use.key_type, row, Column::key_type);
}

std::vector<const KeyUses::Entry*> KeyUses::sorted() const {
  std::vector<const Entry*> entries;
  entries.reserve(uses_.size());
  for (const Entry& entry : uses_) entries.push_back(&entry);
  std::ranges::sort(entries, {}, [](const Entry* entry) -> const Key& { return entry->first; });
  return entries;
}

std::size_t KeyUses::Hash::operator()(const Key& key) const noexcept {
  return std::hash<std::string_view>{}(key.tenant) * 0x9E3779B97F4A7C15 +
         std::hash<std::string_view>{}(key.key_id);
}

}  // namespace sealstream
