#include "sealstream/core/row.h"

#include "core/big_endian.h"

namespace sealstream {
namespace {

constexpr bool ids_are_positions() {
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    if (static_cast<std::size_t>(kColumns[i].column) != i + 1) return false;
  }
  return true;
}
static_assert(ids_are_positions(), "info() and Row find a column by its id");

}  // namespace

std::int64_t Row::int_value(Column column) const {
  assert(info(column).type == ColumnType::int64 || info(column).type == ColumnType::timestamp);
  return static_cast<std::int64_t>(read_big_endian<std::uint64_t>(bytes(column)));
}

void Row::clear() {
  values_.clear();
  slots_.fill(Slot{});
}

void Row::set(Column column, ColumnType type, std::string_view bytes) {
  assert(info(column).type == type);
  assert(values_.size() + bytes.size() < kNull);
  if (Slot& old = slot(column); old.length == bytes.size()) {  // sealed again: a row does not grow by it
    values_.replace(old.begin, old.length, bytes);
    return;
  }
  const auto begin = static_cast<std::uint32_t>(values_.size());
  values_.append(bytes);
  slot(column) = {begin, static_cast<std::uint32_t>(bytes.size())};
}

void Row::set_int64(Column column, ColumnType type, std::int64_t value) {
  const auto encoded = big_endian(static_cast<std::uint64_t>(value));
  set(column, type, {encoded.data(), encoded.size()});
}

}  // namespace sealstream
