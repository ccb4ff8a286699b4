// What the uses of API keys say of them, gathered over a batch (schemas/read-models.md, "api_keys").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sealstream/core/ids.h"
#include "sealstream/core/row.h"

namespace sealstream {

/// The uses of one key in a batch. Borrows from the rows.
struct KeyUse {
  std::int64_t count = 0;
  Timestamp last_at;                         ///< event_time of the latest
  std::optional<std::string_view> last_ip;   ///< client_ip of the latest
  std::optional<std::string_view> key_hash;  ///< of the first row that has one, and so below
  std::optional<std::string_view> key_prefix;
  std::optional<std::string_view> key_type;
};

/// Whether `row` is an event that says something about a key: not auth_failed, which proves nothing.
bool is_key_event(const Row& row);
/// Whether it is such an event that a key was used.
bool is_key_use(const Row& row);

/// The uses in one batch, whose rows must outlive it.
class KeyUses {
 public:
  struct Key {
    std::string_view tenant;
    std::string_view key_id;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  using Entry = std::pair<const Key, KeyUse>;

  /// Counts a row with is_key_use. Those of a tenant come in the order of their seq.
  void add(std::string_view tenant, const Row& row);

  bool empty() const { return uses_.empty(); }
  /// All uses, by the bytes of tenant and key. They live as long as this.
  std::vector<const Entry*> sorted() const;

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  std::unordered_map<Key, KeyUse, Hash> uses_;
};

}  // namespace sealstream
