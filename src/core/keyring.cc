#include "sealstream/core/keyring.h"

#include <algorithm>
#include <stdexcept>

namespace sealstream {

Keyring::Keyring(std::vector<KeyEntry> entries) : entries_(std::move(entries)) {
  if (entries_.empty()) throw std::invalid_argument("a keyring has at least one key");
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const KeyEntry& entry = entries_[i];
    if (entry.id.empty()) throw std::invalid_argument("a key has an id");
    if (find(entry.id) != &entry) throw std::invalid_argument("key id " + entry.id + " occurs twice");
    if (i > 0 && entry.from <= entries_[i - 1].from) {
      throw std::invalid_argument("key " + entry.id + " does not begin after the key before it");
    }
  }
}

const KeyEntry& Keyring::at(Timestamp kafka_timestamp) const {
  const auto later =
      std::upper_bound(entries_.begin(), entries_.end(), kafka_timestamp,
                       [](Timestamp time, const KeyEntry& entry) { return time < entry.from; });
  return later == entries_.begin() ? entries_.front() : *std::prev(later);
}

const KeyEntry* Keyring::find(std::string_view id) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const KeyEntry& e) { return e.id == id; });
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace sealstream
