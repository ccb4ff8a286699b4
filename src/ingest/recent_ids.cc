#include "ingest/recent_ids.h"

#include <bit>
#include <functional>

namespace sealstream {

RecentIds::RecentIds(std::size_t slots) : slots_(std::bit_ceil(slots), 0) {}

std::uint64_t RecentIds::hash(std::string_view tenant, std::string_view id) {
  const std::uint64_t h =
      std::hash<std::string_view>{}(id) ^ (std::hash<std::string_view>{}(tenant)*0x9E3779B97F4A7C15u);
  return h == 0 ? 1 : h;  // 0 is an empty slot
}

}  // namespace sealstream
