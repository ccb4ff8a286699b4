#include "postgres/server_clock.h"

#include "postgres/classify.h"

namespace sealstream {

Timestamp server_clock(Connection& connection) {
  Phase phase = Phase::connect;
  try {
    connection.open();
    phase = Phase::statements;
    return from_postgres_time(int8_at(connection.run_one({"SELECT clock_timestamp()"}), 0, 0));
  } catch (const DatabaseError& error) {
    throw to_ledger_error(error, phase);
  }
}

}  // namespace sealstream
