// Rows as COPY sends them. Input: for each column a line with its value, or an empty one; after the last
// column, the next row.
//
// What a reader of PostgreSQL's manual takes out of the bytes is what the rows hold, column by column, and
// nothing is left over.
#include "postgres/copy_rows.h"

#include <vector>

#include "core/big_endian.h"
#include "fuzz.h"
#include "postgres/parameter.h"
#include "sealstream/core/json_text.h"

namespace sealstream::fuzz {
namespace {

constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr Timestamp kRecorded{std::chrono::microseconds(1'790'899'200'000'000)};
constexpr std::size_t kMostRows = 4;

std::int64_t integer(std::string_view line) { return std::strtoll(std::string(line).c_str(), nullptr, 10); }

void set(Row& row, const ColumnInfo& column, std::string_view line) {
  switch (column.type) {
    case ColumnType::text:
      return row.set_text(column.column, line);
    case ColumnType::int64:
      return row.set_int(column.column, integer(line));
    case ColumnType::timestamp:
      return row.set_timestamp(column.column,
                               kRecorded + std::chrono::microseconds(integer(line) % (1LL << 52)));
    case ColumnType::boolean:
      return row.set_bool(column.column, line == "true");
    case ColumnType::bytes:
      return row.set_bytes(column.column, line);
    case ColumnType::decimal:
      if (const auto text = money_text(line)) row.set_decimal(column.column, *text);
      return;
    case ColumnType::json:
      if (const auto text = json_text(line)) row.set_json(column.column, *text);
      return;
    case ColumnType::ip:
      return row.set_ip(column.column, line);
  }
}

Row next_row(Input& input) {
  Row row;
  for (const ColumnInfo& column : kColumns) {
    if (const std::string_view line = input.line(); !line.empty()) set(row, column, line);
  }
  if (!row.has(Column::event_id)) row.set_text(Column::event_id, "e");
  if (!row.has(Column::recorded_at)) row.set_timestamp(Column::recorded_at, kRecorded);
  return row;
}

/// Cuts values off the front of a COPY.
class Copied {
 public:
  explicit Copied(std::string_view bytes) : rest_(bytes) {}
  std::string_view take(std::size_t count) {
    demand(count <= rest_.size(), "no value is cut");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  template <class Number>
  Number number() {
    return static_cast<Number>(read_big_endian<std::make_unsigned_t<Number>>(take(sizeof(Number))));
  }
  std::optional<std::string_view> field() {
    const auto length = number<std::int32_t>();
    if (length < 0) return std::nullopt;
    return take(static_cast<std::size_t>(length));
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// numeric_send: digits, weight, sign, scale, then digits to the base of 10,000. As trim_scale(x)::text
/// prints it.
std::string decimal(Copied numeric) {
  const auto digits = numeric.number<std::int16_t>();
  const auto weight = numeric.number<std::int16_t>();
  const bool negative = numeric.number<std::uint16_t>() == 0x4000;
  const auto scale = static_cast<std::size_t>(numeric.number<std::int16_t>());
  std::string whole, fraction;
  for (int i = 0; i < digits; ++i) {
    std::string four = std::to_string(10'000 + numeric.number<std::int16_t>()).substr(1);
    if (i <= weight) {
      whole += four;
    } else {
      if (fraction.empty()) fraction.append(4 * static_cast<std::size_t>(std::max(0, i - weight - 1)), '0');
      fraction += four;
    }
  }
  demand(numeric.empty(), "no digit is left over");
  for (int i = digits; i <= weight; ++i) whole += "0000";
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  fraction.resize(scale, '0');
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return (negative ? "-" : "") + (whole.empty() ? "0" : whole) + (fraction.empty() ? "" : "." + fraction);
}

void check_value(const ColumnInfo& column, std::string_view held, std::string_view sent) {
  switch (column.type) {
    case ColumnType::timestamp:
      return demand(
          Copied(sent).number<std::int64_t>() + 946'684'800'000'000 == Copied(held).number<std::int64_t>(),
          "microseconds since 2000");
    case ColumnType::decimal:
      return demand(decimal(Copied(sent)) == held, "a decimal is sent as it is");
    case ColumnType::json:
      return demand(sent.starts_with('\1') && sent.substr(1) == held, "json is sent behind its version");
    default:
      return demand(sent == held, "a value is sent as it is");
  }
}

void check_row(Copied& copied, const SealedRow& sealed) {
  demand(copied.number<std::int16_t>() == static_cast<std::int16_t>(kColumnCount + 4),
         "a tuple has all columns");
  demand(copied.field() == sealed.tenant, "the tenant comes first");
  demand(Copied(copied.field().value()).number<std::int64_t>() == sealed.seq.value(), "then seq");
  for (const ColumnInfo& column : kColumns) {
    const auto sent = copied.field();
    demand(sent.has_value() == sealed.row->has(column.column), "a column that is not set is NULL");
    if (sent) check_value(column, sealed.row->bytes(column.column), *sent);
  }
  demand(copied.field() == as_bytes(sealed.prev_checksum) && copied.field() == as_bytes(sealed.checksum),
         "the checksums come last");
}

}  // namespace
}  // namespace sealstream::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealstream;
  fuzz::Input input(data, size);
  std::vector<Row> rows;
  while (!input.empty() && rows.size() < fuzz::kMostRows) rows.push_back(fuzz::next_row(input));

  static CopyBuffer buffer;  // kept from batch to batch, as a lane's is
  buffer.clear();
  append_copy_header(buffer);
  std::vector<SealedRow> sealed;
  for (const Row& row : rows) {
    sealed.push_back({"acme", Seq(std::ssize(sealed)), &row, {}, {}});
    append_copy_row(buffer, sealed.back());
  }
  append_copy_trailer(buffer);

  fuzz::Copied copied(buffer.bytes());
  fuzz::demand(copied.take(fuzz::kHeader.size()) == fuzz::kHeader, "COPY's header");
  for (const SealedRow& row : sealed) fuzz::check_row(copied, row);
  fuzz::demand(copied.number<std::int16_t>() == -1 && copied.empty(), "COPY's end");
  return 0;
}
