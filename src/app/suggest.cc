#include "app/suggest.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace sealstream {
namespace {

/// Longer words are compared by their beginnings: what is mistyped is short.
constexpr std::size_t kMaxWordBytes = 64;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kMaxWordBytes);
  b = b.substr(0, kMaxWordBytes);
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string_view closest(std::string_view mistyped, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(2, mistyped.size() / 3) + 1;
  for (std::string_view word : known) {
    const std::size_t distance = edit_distance(mistyped, word);
    if (distance < least && distance < word.size()) {
      least = distance;
      best = word;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view mistyped, std::span<const std::string_view> known) {
  const std::string_view word = closest(mistyped, known);
  return word.empty() ? "" : "; did you mean " + std::string(word) + "?";
}

}  // namespace sealstream
