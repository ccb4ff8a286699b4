// The keys of the personal-data commitments: which one is in force when.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/core/ids.h"

namespace sealstream {

using PersonalKey = std::array<std::uint8_t, 32>;

struct KeyEntry {
  std::string id;   ///< stored in personal_key_id of every row
  Timestamp from;   ///< in force from here on, until the next entry's `from`
  PersonalKey key;  ///< secret: never logged, printed or exported
};

/// Entries by rising `from`. Immutable. The first entry also covers all earlier times.
class Keyring {
 public:
  /// Throws std::invalid_argument where entries are empty, out of order, or share an id.
  explicit Keyring(std::vector<KeyEntry> entries);

  /// The entry in force at a record's Kafka timestamp. Valid as long as the keyring.
  const KeyEntry& at(Timestamp kafka_timestamp) const;
  /// The entry of that id, or null where it was destroyed.
  const KeyEntry* find(std::string_view id) const;

 private:
  std::vector<KeyEntry> entries_;
};

}  // namespace sealstream
