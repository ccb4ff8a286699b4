// From a record to an event: CloudEvents in both Kafka modes, six families, every bound, every reason for a
// refusal. The contract for publishers is schemas/README.md; what a change here must raise is
// schemas/rules.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sealstream/core/error.h"
#include "sealstream/core/record.h"
#include "sealstream/core/row.h"
#include "sealstream/core/secrets.h"

namespace sealstream {

/// Validation, mapping to columns and redaction as one number: stored in every row (schemas/rules.md).
inline constexpr std::int64_t kRulesVersion = 1;

inline constexpr std::size_t kMaxValueBytes = std::size_t{256} * 1024;
inline constexpr int kMaxDepth = 32;
inline constexpr int kMaxMembers = 2'000;

/// What a ledger row is about. `quarantined` is never published: it is the family of tombstones.
enum class Family : std::uint8_t { llm_call, tool_invocation, escalation, api_key, admin, auth, quarantined };
inline constexpr std::size_t kFamilyCount = 7;
inline constexpr std::size_t kPublishedFamilies = 6;
std::string_view name(Family family);

/// A record that decoded and passed validation. `row` lacks what only the chain knows: recorded_at,
/// source_digest, personal_key_id and personal_commitment.
struct Event {
  std::string tenant;
  std::string id;
  Family family;
  Timestamp time;
  Row row;
};

/// Decodes records, one after the other. Not thread-safe: a lane owns one. Keeps its buffers, so that
/// decoding allocates little. Pure: the same record always gives the same answer, on any machine.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// The event that `record` holds, or why it is refused. Bounded: at most kMaxValueBytes are parsed.
  Result<Event> decode(const Record& record);

  /// How often each secret rule redacted something in the last decode, by the rule's index in secret_rules().
  std::span<const std::uint32_t> redactions() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The tenant whose chain a refused record's tombstone joins: the one that its key names, or
/// "_unattributed.<partition>" where the key names none (missing, invalid, reserved, or holding a secret).
std::string tombstone_tenant(const Record& record);

/// The row of a refused record (design: tombstone), without what only the chain knows, as in Event.
Event tombstone(const Record& record, Reason reason);

}  // namespace sealstream
