// What each command does, once the command line is understood. All return an exit code (exit_codes.h), write
// data to terminal.out and messages to terminal.err, and throw ConfigError, LedgerError or SourceError where
// they cannot do it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/cli.h"
#include "app/config.h"

namespace sealstream {

/// Seals until it is told to stop by SIGTERM or SIGINT; a second signal ends the process at once. SIGHUP
/// loads the configuration again and takes kReloaded from it.
int run_command(const std::function<Config()>& load, const Terminal& terminal);

struct CheckConfigRequest {
  bool connect = false;  ///< ask PostgreSQL and Kafka too
  bool json = false;
};
int check_config_command(const Config& config, const CheckConfigRequest& request, const Terminal& terminal);

struct PrintConfigRequest {
  bool example = false;  ///< the example file; no configuration is read
  bool schema = false;   ///< the JSON Schema; no configuration is read
  bool json = false;
};
int print_config_command(const std::function<Config()>& load, const PrintConfigRequest& request,
                         const Terminal& terminal);

int migrate_up_command(const Config& config, bool json, const Terminal& terminal);
int migrate_status_command(const Config& config, bool json, const Terminal& terminal);
struct MigrateDownRequest {
  bool execute = false;
  bool json = false;
};
int migrate_down_command(const Config& config, const MigrateDownRequest& request, const Terminal& terminal);

struct VerifyRequest {
  std::optional<std::string> tenant;
  std::string since;  ///< empty: all of it
  bool chain_only = false;
  bool read_models = false;  ///< compare them with the ledger too
  int workers = 1;           ///< threads and connections that read chains
  bool json = false;
};
int verify_command(const Config& config, const VerifyRequest& request, const Terminal& terminal);

struct QuarantineListRequest {
  std::string tenant;  ///< empty: all
  std::string reason;  ///< empty: all
  std::string state = "open";
  int limit = 100;
  bool json = false;
};
int quarantine_list_command(const Config& config, const QuarantineListRequest& request,
                            const Terminal& terminal);

/// `place`: topic/log_epoch/partition/offset.
int quarantine_show_command(const Config& config, const std::string& place, bool json,
                            const Terminal& terminal);

/// Who asks for something that is done by publishing an event, and why.
struct PublishRequest {
  std::string reason;
  std::string by;        ///< empty: the login name
  bool execute = false;  ///< else only say what would be done
  int wait_ms = 30'000;  ///< how long the event may take to be sealed and to show its effect
  bool json = false;
};

struct AnomaliesListRequest {
  std::string tenant;    ///< empty: all
  std::string type;      ///< empty: all
  std::string severity;  ///< empty: all
  std::optional<bool> resolved = false;
  int limit = 100;
  bool json = false;
};
int anomalies_list_command(const Config& config, const AnomaliesListRequest& request,
                           const Terminal& terminal);

/// `id`: an anomaly's UUID, here and below.
int anomalies_show_command(const Config& config, const std::string& id, bool json, const Terminal& terminal);

/// Publishes that the anomaly is resolved, and waits until the ingester has written it.
int anomalies_resolve_command(const Config& config, const std::string& id, const PublishRequest& request,
                              const Terminal& terminal);

struct EraseRequest {
  std::string tenant;
  std::string user;      ///< of this user, or
  std::string event_id;  ///< of this event
  PublishRequest publish;
};
/// Publishes which rows are erased, waits for the event's row, then takes their personal values away.
int erase_command(const Config& config, const EraseRequest& request, const Terminal& terminal);

int offsets_show_command(const Config& config, bool json, const Terminal& terminal);

/// Always JSON: what a backup, or another consumer, needs of every position.
int offsets_export_command(const Config& config, const Terminal& terminal);

struct OffsetsResetRequest {
  std::vector<std::string> partitions;  ///< topic/partition
  PublishRequest publish;
};
/// Publishes what is accepted as lost of each partition, and lets it go on; waits until the events are
/// sealed.
int offsets_reset_command(const Config& config, const OffsetsResetRequest& request, const Terminal& terminal);

struct RebuildRequest {
  std::optional<std::string> tenant;  ///< nothing: all
  std::string model;                  ///< empty: all
  bool execute = false;
  bool json = false;
};
int rebuild_read_models_command(const Config& config, const RebuildRequest& request,
                                const Terminal& terminal);

int status_command(const Config& config, bool json, const Terminal& terminal);

int version_command(bool json, const Terminal& terminal);

}  // namespace sealstream
