// Where a partition stands between PostgreSQL and Kafka, found out as a lane finds it out, and by the same
// rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ingest/position.h"
#include "kafka/log_reader.h"
#include "kafka/topic_facts.h"
#include "postgres/readers.h"
#include "sealstream/core/chain.h"
#include "sealstream/ingest/probe.h"

namespace sealstream {

struct LogState {
  PartitionTotals stored;
  std::optional<Extent> log;  ///< nothing where Kafka does not know the partition, or did not answer
  bool answered = false;      ///< Kafka told all that it takes to say whether the partition halts
  std::optional<HaltCause> halted;
  /// What an operator would have to accept; nothing where nothing is lost, or nothing would be gained by
  /// accepting it.
  struct Loss {
    std::int64_t records = 0;  ///< that were not read; of a log that is gone nobody knows how many there were
    Offset go_on_at;           ///< in the log that is there
  };
  std::optional<Loss> loss;
};

/// Reads a record or two of each partition that it is asked about.
class LogInspector {
 public:
  /// `accept_create_time` as in the options of ingest. Throws SourceError where no broker answers.
  LogInspector(const KafkaOptions& options, bool accept_create_time);

  /// In the order given. Takes two seconds for a partition whose log seems cut, and up to kPatience for a
  /// partition whose broker does not answer.
  std::vector<LogState> look(std::vector<PartitionTotals> partitions);

 private:
  bool is_compacted(const std::string& topic) const;
  void look(LogState& state);
  bool read_on(const PartitionTotals& stored, Position& position);
  void look_whether_it_is_back(LogState& state, const Position& position);
  bool ask_witness(const PartitionTotals& stored, Position& position);
  Step arrive(const Delivery& delivery, Position& position);
  std::optional<Extent> extent(const PartitionId& id);

  const std::vector<TopicFacts> topics_;
  const bool accept_create_time_;
  LogReader reader_;
  const Keyring no_keys_{{KeyEntry{"none", {}, {}}}};  // the digest that is compared needs none
  Sealer sealer_{no_keys_};
};

}  // namespace sealstream
