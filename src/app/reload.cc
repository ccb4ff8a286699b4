#include "app/reload.h"

#include <algorithm>

namespace sealstream {

std::vector<std::string> waiting_for_restart(const Settings& running, const Settings& fresh) {
  std::vector<std::string> keys;
  for (const auto& [path, setting] : fresh) {
    if (std::ranges::find(kReloaded, path) != kReloaded.end()) continue;
    const Setting& before = running.at(path);
    const bool same =
        setting.text == before.text && setting.items == before.items && setting.entries == before.entries;
    if (!same) keys.emplace_back(path);
  }
  return keys;
}

}  // namespace sealstream
