// One Kafka message as it came.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "sealstream/core/ids.h"

namespace sealstream {

/// A header: its name, and its value, which may be null.
struct Header {
  std::string_view name;
  std::optional<std::string_view> value;
};

/// A view of one record. Owns nothing: whoever hands it out says how long its bytes live.
struct Record {
  std::string_view topic;
  LogEpoch log_epoch;
  Partition partition;
  Offset offset;
  Timestamp timestamp;  ///< Kafka's, milliseconds precise
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::span<const Header> headers;
};

/// The first record that was read of a log, which tells it from any other: what lies before it was appended
/// no later, and a log that was made again holds only what was appended later.
struct Witness {
  Offset offset;
  Timestamp time;  ///< when the broker appended it, milliseconds precise
  friend bool operator==(const Witness&, const Witness&) = default;
};

}  // namespace sealstream
