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

}  // namespace sealstream
