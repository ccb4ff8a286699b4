#include "postgres/copy_rows.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <memory>

#include "postgres/leaves.h"
#include "postgres/numeric.h"
#include "postgres/parameter.h"
#include "sealstream/core/columns.h"

namespace sealstream {
namespace {

constexpr std::uint16_t kFields = kColumnCount + 4;  // tenant_id, seq before; prev_checksum, checksum after
constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr char kJsonbVersion = 1;

static_assert(std::endian::native == std::endian::little, "Writer swaps bytes");

/// A cursor that was given room enough for the whole row.
class Writer {
 public:
  explicit Writer(char* at) : at_(at) {}
  char* at() const { return at_; }

  void number(std::uint16_t value) { store(__builtin_bswap16(value)); }
  void number(std::uint32_t value) { store(__builtin_bswap32(value)); }
  void number(std::uint64_t value) { store(__builtin_bswap64(value)); }
  void null() { number(std::uint32_t{0xFFFFFFFF}); }
  void field(std::string_view bytes) {
    number(static_cast<std::uint32_t>(bytes.size()));
    raw(bytes);
  }
  void json(std::string_view text) {
    number(static_cast<std::uint32_t>(text.size() + 1));
    *at_++ = kJsonbVersion;
    raw(text);
  }
  void timestamp(Timestamp moment) {
    number(std::uint32_t{8});
    number(static_cast<std::uint64_t>(to_postgres_time(moment)));
  }
  void decimal(std::string_view text) {
    const std::size_t length = write_numeric(at_ + 4, text);
    number(static_cast<std::uint32_t>(length));
    at_ += length;
  }

 private:
  template <class Swapped>
  void store(Swapped value) {
    std::memcpy(at_, &value, sizeof(value));
    at_ += sizeof(value);
  }
  void raw(std::string_view bytes) {
    std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }

  char* at_;
};

/// Upper bound of a row's tuple.
std::size_t tuple_bound(const SealedRow& row) {
  std::size_t bound = 2 + 4 * kFields + row.tenant.size() + 8 + 2 * sizeof(Checksum);
  for (const auto& column : kColumns) {
    if (!row.row->has(column.column)) continue;
    const std::size_t length = row.row->bytes(column.column).size();
    bound += column.type == ColumnType::decimal ? numeric_bytes_bound(length) : length + 1;
  }
  return bound;
}

void write_column(Writer& out, const Row& row, const ColumnInfo& column) {
  if (!row.has(column.column)) return out.null();
  switch (column.type) {
    case ColumnType::timestamp:
      return out.timestamp(row.timestamp_value(column.column));
    case ColumnType::decimal:
      return out.decimal(row.bytes(column.column));
    case ColumnType::json:
      return out.json(row.bytes(column.column));
    case ColumnType::text:
    case ColumnType::int64:
    case ColumnType::boolean:
    case ColumnType::bytes:
    case ColumnType::ip:
      return out.field(row.bytes(column.column));
  }
}

void prefetch(const void* begin, std::size_t bytes) {
  constexpr std::size_t kCacheLine = 64;
  for (std::size_t at = 0; at < bytes; at += kCacheLine) {
    __builtin_prefetch(static_cast<const char*>(begin) + at);
  }
}

}  // namespace

const std::string& copy_columns() {
  static const std::string columns = [] {
    std::string out = "tenant_id, seq";
    for (const auto& column : kColumns) out.append(", ").append(column.name);
    return out + ", prev_checksum, checksum";
  }();
  return columns;
}

void append_copy_header(CopyBuffer& out) {
  assert(out.bytes().empty());
  std::memcpy(out.room(kHeader.size()), kHeader.data(), kHeader.size());
  out.advance(kHeader.size());
}

void append_copy_row(CopyBuffer& out, const SealedRow& row) {
  const std::size_t bound = tuple_bound(row);
  char* const begin = out.room(bound);
  Writer writer(begin);
  writer.number(kFields);
  writer.field(row.tenant);
  writer.number(std::uint32_t{8});
  writer.number(static_cast<std::uint64_t>(row.seq.value()));
  for (const auto& column : kColumns) write_column(writer, *row.row, column);
  writer.field(as_bytes(row.prev_checksum));
  writer.field(as_bytes(row.checksum));
  const auto length = static_cast<std::size_t>(writer.at() - begin);
  assert(length <= bound);
  out.advance(length);
}

void append_copy_trailer(CopyBuffer& out) {
  std::memcpy(out.room(2), "\xFF\xFF", 2);
  out.advance(2);
}

void CopyRows::encode(const std::vector<SealedRow>& rows) {
  used_.clear();
  last_ = nullptr;
  sorted_.clear();
  for (const auto& row : rows) sorted_.push_back(&row);
  std::ranges::stable_sort(sorted_, {}, &SealedRow::tenant);
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    ask_ahead(i);
    const SealedRow& row = *sorted_[i];
    append_copy_row(leaf_of(row.row->timestamp_value(Column::recorded_at)).buffer, row);
  }
  for (std::size_t i = 0; i < used_.size(); ++i) append_copy_trailer(kept_[i]->buffer);
}

/// Rows by tenant lie all over the memory of a batch. Asks for those that come soon, so that no row is waited
/// for: first for where its values are, then for its values.
void CopyRows::ask_ahead(std::size_t at) const {
  constexpr std::size_t kRows = 4;
  constexpr std::size_t kUsualValueBytes = 320;
  if (at + 2 * kRows >= sorted_.size()) return;
  prefetch(sorted_[at + 2 * kRows]->row, sizeof(Row));
  prefetch(sorted_[at + kRows]->row->bytes(Column::event_id).data(), kUsualValueBytes);
}

/// A batch names one or two leaves, and one row after the other the same.
LeafRows& CopyRows::leaf_of(Timestamp recorded_at) {
  if (last_ != nullptr && last_begin_ <= recorded_at && recorded_at < last_end_) return *last_;
  last_begin_ = month_start(recorded_at, 0);
  last_end_ = month_start(recorded_at, 1);
  auto name = leaf_name(recorded_at);
  for (std::size_t i = 0; i < used_.size(); ++i) {
    if (kept_[i]->leaf == name) return *(last_ = kept_[i].get());
  }
  if (kept_.size() == used_.size()) kept_.push_back(std::make_unique<LeafRows>());
  last_ = kept_[used_.size()].get();
  last_->leaf = std::move(name);
  last_->moment = recorded_at;
  last_->buffer.clear();
  append_copy_header(last_->buffer);
  used_.push_back(last_);
  return *last_;
}

}  // namespace sealstream
