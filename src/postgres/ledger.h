// The port to the database on PostgreSQL (design: delivery.md, "A batch" and "Claim").
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "postgres/connection.h"
#include "postgres/copy_rows.h"
#include "sealstream/ingest/ledger.h"

namespace sealstream {

/// One lane's connection and its buffers. Works as the role audit_writer, also through a transaction pooler:
/// it keeps nothing in the session.
class PostgresLedger final : public Ledger {
 public:
  /// `schema_version` is the one that check() demands: that of the newest migration known to this binary.
  PostgresLedger(ConnectionOptions options, int schema_version, std::function<void()> tick);

  /// Up to three tries, each with a lock timeout of 3 s; a holder in the way is ended after the first.
  std::optional<Claim> claim(const PartitionId& id, std::string_view owner,
                             std::optional<Offset> start) override;
  void keep_another_log(const PartitionId& id, LogEpoch epoch) override;
  Prepared prepare(std::span<const std::string_view> tenants, std::span<const IdQuery> ids) override;
  std::vector<AnomalyCount> commit(const WriteSet& writes) override;
  void ensure_leaves(Timestamp now, int months_ahead) override;
  void check() override;
  std::vector<std::optional<StoredPosition>> positions(std::span<const PartitionId> partitions) override;

 private:
  template <class Work>
  auto guarded(Work work);
  std::vector<AnomalyCount> write(const WriteSet& writes);
  void copy_rows(const WriteSet& writes);
  std::string open_and_copy_sql(const WriteSet& writes);
  void finish(const WriteSet& writes);
  void ensure_leaf(Timestamp moment);
  std::optional<Claim> claim_once(const PartitionId& id, std::string_view owner, std::optional<Offset> start);
  void end_holder(const PartitionId& id);
  Prepared look_up(std::span<const std::string_view> tenants, std::span<const IdQuery> ids);
  void check_schema_version();
  void check_rights();

  Connection connection_;
  int schema_version_;
  CopyRows rows_;
  std::vector<std::string> leaves_;  ///< as last listed; a lookup lists them again
};

}  // namespace sealstream
