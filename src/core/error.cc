#include "sealstream/core/error.h"

#include <array>

namespace sealstream {

std::string_view name(Reason reason) {
  static constexpr std::array<std::string_view, kReasonCount> kNames = {
      "empty_value",       "invalid_json",    "invalid_utf8",     "nul_character",
      "duplicate_member",  "too_large",       "too_deep",         "unsupported_content_type",
      "not_cloudevents",   "unknown_type",    "schema",           "tenant_missing",
      "tenant_invalid",    "tenant_reserved", "tenant_mismatch",  "secret_in_identifier",
      "time_out_of_range", "id_conflict",     "registry_framing", "db_rejected"};
  return kNames[static_cast<std::size_t>(reason)];
}

}  // namespace sealstream
