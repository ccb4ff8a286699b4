// "Did you mean": the known word that is closest to a mistyped one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sealstream {

/// How many insertions, deletions, replacements and swaps of neighbours lead from `a` to `b` (optimal string
/// alignment distance), whatever the case of the letters.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The word closest to `mistyped`, or "" where none is within a third of its length (two edits at least).
std::string_view closest(std::string_view mistyped, std::span<const std::string_view> known);

/// "; did you mean X?", or "" where nothing is close.
std::string did_you_mean(std::string_view mistyped, std::span<const std::string_view> known);

}  // namespace sealstream
