// Parameters of statements in PostgreSQL's binary form: scalars, and arrays of one dimension.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sealstream/core/ids.h"

namespace sealstream {

/// Types by their OID, which PostgreSQL never changes (pg_type.dat).
enum class PgType : std::uint32_t {
  bytea = 17,
  int8 = 20,
  int4 = 23,
  text = 25,
  inet = 869,
  timestamptz = 1184,
  numeric = 1700
};

/// PostgreSQL counts microseconds since 2000-01-01 UTC.
constexpr std::int64_t to_postgres_time(Timestamp moment) {
  constexpr std::int64_t kEpochShift = 946'684'800'000'000;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(moment.time_since_epoch().count()) -
                                   static_cast<std::uint64_t>(kEpochShift));
}
constexpr Timestamp from_postgres_time(std::int64_t since_2000) {
  constexpr std::int64_t kEpochShift = 946'684'800'000'000;
  return Timestamp(std::chrono::microseconds(static_cast<std::int64_t>(
      static_cast<std::uint64_t>(since_2000) + static_cast<std::uint64_t>(kEpochShift))));
}

struct Parameter {
  std::uint32_t type = 0;  ///< OID
  std::optional<std::string> bytes;

  static Parameter text(std::string_view value);
  static Parameter bytea(std::string_view value);
  static Parameter int4(std::int32_t value);
  static Parameter int8(std::int64_t value);
  static Parameter timestamp(Timestamp value);
};

/// An array under construction, element by element.
class ArrayParameter {
 public:
  explicit ArrayParameter(PgType element);
  void add(std::string_view bytes);  ///< an element as its type is sent: text and bytea as they are
  void add_or_null(std::optional<std::string_view> bytes);
  void add_int4(std::int32_t value);
  void add_int8(std::int64_t value);
  void add_timestamp(Timestamp value) { add_int8(to_postgres_time(value)); }
  void add_null();
  /// Hands the bytes over.
  Parameter finish() &&;

 private:
  PgType element_;
  std::int32_t count_ = 0;
  bool has_null_ = false;
  std::string bytes_;  ///< room for the header, then the elements
};

/// The arrays as parameters, in their order; empties them.
template <class... Arrays>
std::vector<Parameter> finish(Arrays&... arrays) {
  std::vector<Parameter> out;
  (out.push_back(std::move(arrays).finish()), ...);
  return out;
}

struct Statement {
  std::string sql;
  std::vector<Parameter> parameters = {};
};

}  // namespace sealstream
