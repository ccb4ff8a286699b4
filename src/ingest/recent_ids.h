// The event ids that a lane wrote lately, to suspect a duplicate before the database refuses a whole batch
// for it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sealstream {

/// A set of 64-bit hashes of (tenant, event id), of bounded size: each hash has one slot, and a newer one
/// takes it over. So a hit means "look it up", and a miss proves nothing. Used by one thread.
class RecentIds {
 public:
  /// `slots` is rounded up to a power of two; 8 bytes each.
  explicit RecentIds(std::size_t slots);

  static std::uint64_t hash(std::string_view tenant, std::string_view id);

  /// What hash says of (tenant, event id).
  bool suspects(std::uint64_t hash) const { return slots_[hash & (slots_.size() - 1)] == hash; }
  void remember(std::uint64_t hash) { slots_[hash & (slots_.size() - 1)] = hash; }

 private:
  std::vector<std::uint64_t> slots_;
};

}  // namespace sealstream
