// One result of the server, and how its binary values are read.
#pragma once

#include <libpq-fe.h>

#include <cassert>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/big_endian.h"
#include "postgres/parameter.h"

namespace sealstream {

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, ClearResult>;

inline int row_count(const Answer& answer) { return PQntuples(answer.get()); }

inline bool is_null(const Answer& answer, int row, int column) {
  return PQgetisnull(answer.get(), row, column) != 0;
}

/// The bytes of a value: text as it is, bytea as it is where the answer is binary. Dies with the answer.
inline std::string_view bytes_at(const Answer& answer, int row, int column) {
  assert(!is_null(answer, row, column));
  return {PQgetvalue(answer.get(), row, column),
          static_cast<std::size_t>(PQgetlength(answer.get(), row, column))};
}

/// Preconditions of the three: a binary answer, not NULL, a value of that type.
inline std::int32_t int4_at(const Answer& answer, int row, int column) {
  return static_cast<std::int32_t>(read_big_endian<std::uint32_t>(bytes_at(answer, row, column)));
}
inline std::int64_t int8_at(const Answer& answer, int row, int column) {
  return static_cast<std::int64_t>(read_big_endian<std::uint64_t>(bytes_at(answer, row, column)));
}
inline bool bool_at(const Answer& answer, int row, int column) {
  return bytes_at(answer, row, column) != std::string_view("\0", 1);
}

}  // namespace sealstream
