#include "sealstream/core/usage.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace sealstream {
namespace {

/// Names of OpenTelemetry's gen_ai conventions: their spans repeat the tokens of the calls below them.
constexpr std::array<std::string_view, 5> kRepeating = {"create_agent", "invoke_agent", "invoke_workflow",
                                                        "execute_tool", "retrieval"};

std::string_view text_or_empty(const Row& row, Column column) {
  return row.has(column) ? row.bytes(column) : std::string_view();
}

Int128 number(const Row& row, Column column) { return row.has(column) ? row.int_value(column) : 0; }

bool is_call(const Row& row) {
  return row.bytes(Column::family) == "llm_call" &&
         std::ranges::find(kRepeating, text_or_empty(row, Column::operation)) == kRepeating.end();
}

}  // namespace

void Usage::add(std::string_view tenant, const Row& row) {
  if (!is_call(row)) return;
  UsageSums& sums = sums_[{tenant, text_or_empty(row, Column::department_id),
                           text_or_empty(row, Column::user_id), text_or_empty(row, Column::provider),
                           text_or_empty(row, Column::model), text_or_empty(row, Column::route),
                           std::chrono::floor<std::chrono::hours>(row.timestamp_value(Column::event_time))}];
  const bool exclusive = text_or_empty(row, Column::usage_basis) == "exclusive";
  const Int128 read = number(row, Column::cache_read_tokens);
  const Int128 written = number(row, Column::cache_write_tokens);
  const Int128 input = number(row, Column::input_tokens) + (exclusive ? read + written : 0);
  const Int128 output = number(row, Column::output_tokens);
  ++sums.requests;
  sums.errors += text_or_empty(row, Column::status) == "failure";
  sums.input_tokens += input;
  sums.output_tokens += output;
  sums.total_tokens += exclusive ? input + output : number(row, Column::total_tokens);
  sums.cache_read_tokens += read;
  sums.cache_write_tokens += written;
  sums.reasoning_tokens += number(row, Column::reasoning_tokens);
  if (row.has(Column::cost_usd)) sums.cost += money_units(row.bytes(Column::cost_usd));
}

std::vector<const Usage::Entry*> Usage::sorted() const {
  std::vector<const Entry*> entries;
  entries.reserve(sums_.size());
  for (const Entry& entry : sums_) entries.push_back(&entry);
  std::ranges::sort(entries, {}, [](const Entry* entry) -> const UsageKey& { return entry->first; });
  return entries;
}

std::size_t Usage::Hash::operator()(const UsageKey& key) const noexcept {
  std::size_t hash = std::hash<std::int64_t>{}(key.hour.time_since_epoch().count());
  for (const auto text : {key.tenant, key.department, key.user, key.provider, key.model, key.route}) {
    hash = hash * 0x9E3779B97F4A7C15 + std::hash<std::string_view>{}(text);
  }
  return hash;
}

Int128 money_units(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  Int128 units = 0;
  std::size_t point = text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      point = i + 1;
      continue;
    }
    assert(text[i] >= '0' && text[i] <= '9');
    units = units * 10 + (text[i] - '0');
  }
  const std::size_t places = text.size() - point;
  assert(places <= kMoneyPlaces);
  for (std::size_t place = places; place < kMoneyPlaces; ++place) units *= 10;
  return negative ? -units : units;
}

}  // namespace sealstream
