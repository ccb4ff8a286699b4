// What calls of models used, by key and hour, summed up over a batch (schemas/read-models.md,
// "usage_records").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sealstream/core/ids.h"
#include "sealstream/core/row.h"

namespace sealstream {

/// Wide enough for the sums of any batch.
__extension__ using Int128 = __int128;

/// Decimal places of cost_usd: the decoder rounds to them.
inline constexpr int kMoneyPlaces = 12;

/// The key of a row of usage_records; its members stand in the order of the table's. NULL is "". Borrows from
/// the rows.
struct UsageKey {
  std::string_view tenant;
  std::string_view department;
  std::string_view user;
  std::string_view provider;
  std::string_view model;
  std::string_view route;
  Timestamp hour;
  friend auto operator<=>(const UsageKey&, const UsageKey&) = default;
};

struct UsageSums {
  std::int64_t requests = 0;
  std::int64_t errors = 0;
  Int128 input_tokens = 0;  ///< with the cache's tokens, whatever the provider's basis
  Int128 output_tokens = 0;
  Int128 total_tokens = 0;
  Int128 cache_read_tokens = 0;
  Int128 cache_write_tokens = 0;
  Int128 reasoning_tokens = 0;
  Int128 cost = 0;  ///< in units of 10^−kMoneyPlaces US dollars
};

/// The sums over the rows of one batch, which must outlive it.
class Usage {
 public:
  using Entry = std::pair<const UsageKey, UsageSums>;

  /// Makes room for the keys of that many rows.
  explicit Usage(std::size_t rows) { sums_.reserve(rows); }

  /// Counts `row` if it is a call of a model that repeats no other one.
  void add(std::string_view tenant, const Row& row);

  bool empty() const { return sums_.empty(); }
  /// All sums, by the bytes of their keys. They live as long as this.
  std::vector<const Entry*> sorted() const;

 private:
  struct Hash {
    std::size_t operator()(const UsageKey& key) const noexcept;
  };
  std::unordered_map<UsageKey, UsageSums, Hash> sums_;
};

/// `text`, a decimal as Row holds it with no more than kMoneyPlaces places, in units of 10^−kMoneyPlaces.
Int128 money_units(std::string_view text);

}  // namespace sealstream
