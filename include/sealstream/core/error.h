// What can be wrong with a record: a closed list of reasons, and the Result that carries one.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace sealstream {

/// Why a record was refused. The names are stored, exported as a metric label, and never change.
enum class Reason : std::uint8_t {
  empty_value,
  invalid_json,
  invalid_utf8,
  nul_character,
  duplicate_member,
  too_large,
  too_deep,
  unsupported_content_type,
  not_cloudevents,
  unknown_type,
  schema,
  tenant_missing,
  tenant_invalid,
  tenant_reserved,
  tenant_mismatch,
  secret_in_identifier,
  time_out_of_range,
  id_conflict,
  registry_framing,
  db_rejected,
};
inline constexpr std::size_t kReasonCount = 20;

/// The stored name of a reason, for example "tenant_mismatch".
std::string_view name(Reason reason);

/// One refused record's verdict. Neither member ever echoes a value of the record.
struct Refusal {
  Reason reason;
  std::string member_path;  ///< the member at fault, for example "data.usage.input_tokens"; empty for the
                            ///< record as a whole
  std::string message;      ///< one sentence that tells the publisher what to send instead
};

/// A value, or why the input does not give one.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T&& value) : state_(std::move(value)) {}          // NOLINT: implicit on purpose
  Result(const T& value) : state_(value) {}                // NOLINT: implicit on purpose
  Result(Refusal refusal) : state_(std::move(refusal)) {}  // NOLINT: implicit on purpose
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return assert(ok()), std::get<0>(state_); }
  const T& value() const { return assert(ok()), std::get<0>(state_); }
  Refusal& refusal() { return assert(!ok()), std::get<1>(state_); }
  const Refusal& refusal() const { return assert(!ok()), std::get<1>(state_); }

 private:
  std::variant<T, Refusal> state_;
};

}  // namespace sealstream
