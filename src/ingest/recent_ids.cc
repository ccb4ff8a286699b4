#include "ingest/recent_ids.h"

#include <bit>
#include <functional>

namespace sealstream {
namespace {

std::uint64_t hash(std::string_view tenant, std::string_view id) {
  const std::uint64_t h =
      std::hash<std::string_view>{}(id) ^ (std::hash<std::string_view>{}(tenant)*0x9E3779B97F4A7C15u);
  return h == 0 ? 1 : h;  // 0 is an empty slot
}

}  // namespace

RecentIds::RecentIds(std::size_t slots) : slots_(std::bit_ceil(slots), 0) {}

bool RecentIds::suspects(std::string_view tenant, std::string_view id) const {
  const std::uint64_t h = hash(tenant, id);
  return slots_[h & (slots_.size() - 1)] == h;
}

void RecentIds::remember(std::string_view tenant, std::string_view id) {
  const std::uint64_t h = hash(tenant, id);
  slots_[h & (slots_.size() - 1)] = h;
}

}  // namespace sealstream
