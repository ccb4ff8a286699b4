// A session of some role that does what the ledger never would: holds locks, stops in mid-COPY.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "postgres/connection_options.h"

namespace sealstream {

class RawSession {
 public:
  explicit RawSession(const ConnectionOptions& options)
      : connection_(PQconnectdb(connection_string(options).c_str())) {
    if (PQstatus(get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(get()));
  }

  /// Runs SQL to its end, or to the COPY that it opens. Throws what the server says against it.
  void run(const std::string& sql) {
    const std::unique_ptr<PGresult, void (*)(PGresult*)> answer(PQexec(get(), sql.c_str()), PQclear);
    const auto status = PQresultStatus(answer.get());
    if (status == PGRES_FATAL_ERROR) throw std::runtime_error(PQresultErrorMessage(answer.get()));
  }
  void start(const std::string& sql) {
    if (PQsendQuery(get(), sql.c_str()) == 0) throw std::runtime_error(PQerrorMessage(get()));
  }
  std::string pid() const { return std::to_string(PQbackendPID(get())); }
  PGconn* get() const { return connection_.get(); }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace sealstream
