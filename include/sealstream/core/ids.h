// Strong types for ids, positions and counters: an offset is not a sequence number, and mixing them does not
// compile.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace sealstream {

/// A number of one kind. Costs what the number costs; arithmetic only through the functions below.
template <class Tag, class Rep = std::int64_t>
class Named {
 public:
  constexpr Named() = default;
  constexpr explicit Named(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(Named, Named) = default;

 private:
  Rep value_ = 0;
};

/// The one that follows.
template <class Tag, class Rep>
constexpr Named<Tag, Rep> next(Named<Tag, Rep> n) {
  return Named<Tag, Rep>(n.value() + 1);
}

/// How many steps lead from `from` to `to`; negative where `to` lies before.
template <class Tag, class Rep>
constexpr Rep distance(Named<Tag, Rep> from, Named<Tag, Rep> to) {
  return to.value() - from.value();
}

using Partition = Named<struct PartitionTag, std::int32_t>;  ///< Kafka's partition number
using Offset = Named<struct OffsetTag>;                      ///< Kafka's offset within a partition
using LogEpoch = Named<struct LogEpochTag>;  ///< which life of a topic's partition; rises when an operator
                                             ///< accepts a new log
using OwnerEpoch = Named<struct OwnerEpochTag>;  ///< the fence: rises with every claim of a partition
using Seq = Named<struct SeqTag>;  ///< place of a row in its tenant's chain, from 0; −1 before the first row

/// Microseconds since 1970-01-01 UTC.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// A partition of a topic, as one name.
struct PartitionId {
  std::string topic;
  Partition partition;
  friend auto operator<=>(const PartitionId&, const PartitionId&) = default;
};

}  // namespace sealstream

template <class Tag, class Rep>
struct std::hash<sealstream::Named<Tag, Rep>> {
  std::size_t operator()(sealstream::Named<Tag, Rep> n) const noexcept { return std::hash<Rep>{}(n.value()); }
};
