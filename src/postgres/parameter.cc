#include "postgres/parameter.h"

#include <cassert>

#include "core/big_endian.h"

namespace sealstream {
namespace {

constexpr std::size_t kHeaderBytes = 20;

std::uint32_t array_type(PgType element) {
  switch (element) {
    case PgType::bytea:
      return 1001;
    case PgType::int4:
      return 1007;
    case PgType::int8:
      return 1016;
    case PgType::text:
      return 1009;
    case PgType::inet:
      return 1041;
    case PgType::timestamptz:
      return 1185;
    case PgType::numeric:
      return 1231;
  }
  assert(false);
  return 0;
}

template <class Unsigned>
Parameter number(PgType type, Unsigned value) {
  std::string bytes;
  append_big_endian(bytes, value);
  return {static_cast<std::uint32_t>(type), std::move(bytes)};
}

}  // namespace

Parameter Parameter::text(std::string_view value) {
  return {static_cast<std::uint32_t>(PgType::text), std::string(value)};
}
Parameter Parameter::bytea(std::string_view value) {
  return {static_cast<std::uint32_t>(PgType::bytea), std::string(value)};
}
Parameter Parameter::int4(std::int32_t value) {
  return number(PgType::int4, static_cast<std::uint32_t>(value));
}
Parameter Parameter::int8(std::int64_t value) {
  return number(PgType::int8, static_cast<std::uint64_t>(value));
}
Parameter Parameter::timestamp(Timestamp value) {
  return number(PgType::timestamptz, static_cast<std::uint64_t>(to_postgres_time(value)));
}

// The header (array_send in PostgreSQL's source): dimensions, whether there are NULLs, the element's type;
// then, but for an empty array, length and lower bound of the one dimension.
ArrayParameter::ArrayParameter(PgType element) : element_(element), bytes_(kHeaderBytes, '\0') {}

void ArrayParameter::add(std::string_view bytes) {
  append_big_endian(bytes_, static_cast<std::uint32_t>(bytes.size()));
  bytes_.append(bytes);
  ++count_;
}

void ArrayParameter::add_or_null(std::optional<std::string_view> bytes) {
  if (bytes) {
    add(*bytes);
  } else {
    add_null();
  }
}

void ArrayParameter::add_int4(std::int32_t value) {
  const auto bytes = big_endian(static_cast<std::uint32_t>(value));
  add({bytes.data(), bytes.size()});
}

void ArrayParameter::add_int8(std::int64_t value) {
  const auto bytes = big_endian(static_cast<std::uint64_t>(value));
  add({bytes.data(), bytes.size()});
}

void ArrayParameter::add_null() {
  append_big_endian(bytes_, std::uint32_t{0xFFFFFFFF});
  has_null_ = true;
  ++count_;
}

Parameter ArrayParameter::finish() && {
  std::string header;
  append_big_endian(header, std::uint32_t{count_ > 0});
  append_big_endian(header, std::uint32_t{has_null_});
  append_big_endian(header, static_cast<std::uint32_t>(element_));
  if (count_ > 0) {
    append_big_endian(header, static_cast<std::uint32_t>(count_));
    append_big_endian(header, std::uint32_t{1});
  }
  bytes_.replace(0, kHeaderBytes, header);
  return {array_type(element_), std::move(bytes_)};
}

}  // namespace sealstream
