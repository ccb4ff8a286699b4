// One ledger row under construction: each column's value, in the bytes that are hashed.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>

#include "sealstream/core/columns.h"
#include "sealstream/core/ids.h"

namespace sealstream {

/// The columns of one row. A value is kept in the encoding of schemas/chain-v1.md, so that hashing copies
/// bytes and nothing is encoded twice. A column that was not set is NULL. Values lie in one buffer a row:
/// views of them die with the next set.
class Row {
 public:
  bool has(Column column) const { return slot(column).length != kNull; }

  /// The encoded value. Precondition: has(column).
  std::string_view bytes(Column column) const {
    assert(has(column));
    return std::string_view(values_).substr(slot(column).begin, slot(column).length);
  }

  /// Whether the column is set, to these bytes.
  bool says(Column column, std::string_view bytes_of_it) const {
    return has(column) && bytes(column) == bytes_of_it;
  }

  void set_text(Column column, std::string_view utf8) { set(column, ColumnType::text, utf8); }
  void set_int(Column column, std::int64_t value) { set_int64(column, ColumnType::int64, value); }
  void set_timestamp(Column column, Timestamp value) {
    set_int64(column, ColumnType::timestamp, value.time_since_epoch().count());
  }
  void set_bool(Column column, bool value) {
    set(column, ColumnType::boolean, std::string_view(value ? "\1" : "\0", 1));
  }
  void set_bytes(Column column, std::string_view value) { set(column, ColumnType::bytes, value); }
  /// `text` as PostgreSQL's trim_scale(x)::text prints it.
  void set_decimal(Column column, std::string_view text) { set(column, ColumnType::decimal, text); }
  /// `text` in the json text form: what PostgreSQL prints for the jsonb.
  void set_json(Column column, std::string_view text) { set(column, ColumnType::json, text); }
  /// `network` as inet_send gives it: family, bits, 0, length, address.
  void set_ip(Column column, std::string_view network) { set(column, ColumnType::ip, network); }
  void clear(Column column) { slot(column).length = kNull; }
  /// Makes every column NULL and keeps the buffer for the next row.
  void clear();
  /// Makes room for values of `bytes` together.
  void reserve(std::size_t bytes) { values_.reserve(bytes); }

  /// Precondition: has(column), of type int64 or timestamp.
  std::int64_t int_value(Column column) const;
  Timestamp timestamp_value(Column column) const {
    return Timestamp(std::chrono::microseconds(int_value(column)));
  }

 private:
  static constexpr std::uint32_t kNull = UINT32_MAX;
  struct Slot {
    std::uint32_t begin = 0;
    std::uint32_t length = kNull;
  };

  Slot& slot(Column column) { return slots_[static_cast<std::size_t>(column) - 1]; }
  const Slot& slot(Column column) const { return slots_[static_cast<std::size_t>(column) - 1]; }
  void set(Column column, ColumnType type, std::string_view bytes);
  void set_int64(Column column, ColumnType type, std::int64_t value);

  std::string values_;
  std::array<Slot, kColumnCount> slots_{};
};

}  // namespace sealstream
