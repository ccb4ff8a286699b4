// A ledger of sealed rows in a real database: sealed as the ingester seals them, put in by the superuser.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/test_database.h"
#include "sealstream/core/chain.h"

namespace sealstream {

class SealedLedger {
 public:
  static constexpr const char* kTopic = "audit.events.v1";
  static constexpr const char* kKeyId = "2026q4";

  SealedLedger();

  /// A row with the columns that every event has.
  static Row plain_event(std::string_view user = "u-1001");
  /// A row in which every column that is hashed holds a value.
  static Row full_event();

  /// Seals the row behind the tenant's last one, as the record of that Kafka timestamp (by default one second
  /// after the one before), and inserts it. Returns its seq.
  Seq append(const std::string& tenant, Row row);
  Seq append(const std::string& tenant, Row row, Timestamp timestamp);

  /// Writes heads and counters that agree with the rows, and keeps all of it for restore().
  void finish();
  /// Puts everything back to how finish() left it.
  void restore();

  TestDatabase& database() { return database_; }
  /// SQL as the superuser, with all triggers off.
  void run(const std::string& sql) { database_.superuser().run(sql); }
  const Keyring& keyring() const { return keyring_; }

 private:
  struct Chain {
    std::int64_t partition;
    Head head;
    std::int64_t rows = 0;
  };

  void insert(const std::string& tenant, Seq seq, const Checksum& prev, const Checksum& checksum,
              const Row& row);

  TestDatabase database_;
  Keyring keyring_;
  Sealer sealer_{keyring_};
  std::map<std::string, Chain> chains_;
  Timestamp clock_;
};

}  // namespace sealstream
