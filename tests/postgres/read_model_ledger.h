// A sealed ledger with the life of two keys in it: their usage, an attack, and an anomaly that is resolved.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postgres/read_model_check.h"
#include "postgres/read_model_rebuild.h"
#include "postgres/sealed_ledger.h"

namespace sealstream {

class ReadModelLedger {
 public:
  /// Sealed, finished and rebuilt: every column of every read model holds a value in some row of acme.
  ReadModelLedger();

  ReadModelCheck check(const ReadModelCheckOptions& options = {});
  /// As audit_rebuilder.
  std::vector<RebuiltTable> rebuild(const RebuildOptions& options = {});

  /// The seq of acme's last row: an erasure of every row before it, which was announced but not done.
  std::string erasure() const { return std::to_string(erasure_.value()); }

  /// Erases these rows of acme, which the erasure names; for audit_eraser.
  std::string erase_sql(const std::string& where);

  SealedLedger& sealed() { return sealed_; }
  ConnectionOptions as(const std::string& role) { return sealed_.database().as(role); }
  /// As the superuser, without triggers.
  void run(const std::string& sql) { sealed_.run(sql); }
  std::string value(const std::string& sql) { return sealed_.database().superuser().value(sql); }
  std::vector<std::string> values(const std::string& sql) {
    return sealed_.database().superuser().values(sql);
  }

 private:
  Row row(const std::string& family, const std::string& action, const std::string& user);
  Row used(const std::string& key, int address);
  Row failed(int number);
  Seq append(const std::string& tenant, int minute, Row row);
  void append_usage(const std::string& tenant);
  void append_keys();
  void append_attack();
  void append_resolution();
  void append_erasure();

  SealedLedger sealed_;
  Seq erasure_{0};
  int second_ = 0;  ///< of the event's minute, so that no two are at the same time
};

}  // namespace sealstream
