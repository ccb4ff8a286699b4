// The chain: what is hashed, byte for byte. The format is frozen in schemas/chain-v1.md; expected bytes come
// from tests/reference, an implementation in another language.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sealstream/core/blake2b.h"
#include "sealstream/core/ids.h"
#include "sealstream/core/keyring.h"
#include "sealstream/core/record.h"
#include "sealstream/core/row.h"

namespace sealstream {

using SourceDigest = std::array<std::uint8_t, 16>;
using Commitment = std::array<std::uint8_t, 32>;
using TenantKey = std::array<std::uint8_t, 32>;

/// The end of a tenant's chain. The default is the chain before its first row.
struct Head {
  Seq seq{-1};
  Checksum checksum{};                      ///< 64 zero bytes before the first row
  Timestamp recorded_at{Timestamp::min()};  ///< no later row's recorded_at lies before it
  friend bool operator==(const Head&, const Head&) = default;
};

/// Appends the row record R of schemas/chain-v1.md: all columns that are set and not personal. `row` must
/// hold every column that is hashed.
void append_row_record(std::string& out, std::string_view tenant, Seq seq, const Checksum& prev,
                       const Row& row);

/// Appends the entries of the personal columns that are set (P of schemas/chain-v1.md).
void append_personal_entries(std::string& out, const Row& row);

/// Computes checksums, commitments and digests. Not thread-safe: a lane owns one; keeps the tenant keys it
/// derived (at most kMaxTenantKeys). Borrows the keyring, which must outlive it.
class Sealer {
 public:
  static constexpr std::size_t kMaxTenantKeys = 100'000;
  explicit Sealer(const Keyring& keyring);

  /// Sets what depends on the record alone: source_digest, personal_key_id and personal_commitment.
  /// Precondition: `row` holds event_id and every personal value.
  void identify(const Record& record, std::string_view tenant, Row& row);

  /// Appends `row`, identified, to the chain that ends in `head`: sets recorded_at, then moves `head` on to
  /// the row. Returns the row's checksum; its prev_checksum is the head's checksum before. May be called
  /// again for the same row with another head. `kafka_timestamp` decides with it, nothing else.
  Checksum seal(std::string_view tenant, Timestamp kafka_timestamp, Row& row, Head& head);

  /// Checksum of a row as stored, for verifiers.
  Checksum checksum(std::string_view tenant, Seq seq, const Checksum& prev, const Row& row);

  /// Commitment to a row's personal columns under a key entry; nothing where all of them are NULL.
  std::optional<Commitment> commitment(const KeyEntry& entry, std::string_view tenant,
                                       std::string_view event_id, const Row& row);

  /// source_digest of a record under a key entry; entry null: under 32 zero bytes in place of the tenant key
  /// (partitions.last_digest).
  SourceDigest source_digest(const KeyEntry* entry, std::string_view tenant, const Record& record);

 private:
  /// Lives until the next call.
  const TenantKey& tenant_key(const KeyEntry& entry, std::string_view tenant);
  std::optional<Commitment> commitment(const TenantKey& key, std::string_view event_id, const Row& row);
  SourceDigest source_digest(const TenantKey& key, const Record& record);

  const Keyring& keyring_;
  Blake2b hash_;
  std::unordered_map<std::string, TenantKey> tenant_keys_;
  std::string tenant_key_name_;
  std::string buffer_;
};

}  // namespace sealstream
