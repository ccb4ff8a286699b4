// One connection to PostgreSQL through libpq, never blocking: every wait has a deadline and ticks.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/answer.h"
#include "postgres/connection_options.h"
#include "postgres/database_error.h"
#include "postgres/parameter.h"

namespace sealstream {

/// A pipeline that was refused, or whose answers stopped.
class PipelineError : public DatabaseError {
 public:
  PipelineError(const DatabaseError& error, bool queued, bool answered, std::size_t statement)
      : DatabaseError(error), queued_(queued), answered_(answered), statement_(statement) {}

  bool queued() const { return queued_; }               ///< the last statement may have reached the server
  bool answered() const { return answered_; }           ///< the server itself said why
  std::size_t statement() const { return statement_; }  ///< the first that has no good answer

 private:
  bool queued_;
  bool answered_;
  std::size_t statement_;
};

/// Used by one thread. All calls throw DatabaseError. After one with lost() the connection is closed; else it
/// is usable, perhaps inside a failed transaction. The resolver alone may block: libpq asks it in line.
class Connection {
 public:
  /// `tick` is called whenever a wait begins, and at least twice a second during it.
  Connection(ConnectionOptions options, std::function<void()> tick);

  /// Opens the connection where it is not open.
  void open();
  /// Closes it without a word (no cancel). The next open() opens a new one.
  void drop() noexcept { connection_.reset(); }
  bool is_open() const { return connection_ != nullptr; }
  /// Whether a transaction is open, healthy or failed.
  bool in_transaction() const;

  /// `text` as an SQL literal, quotes included. Precondition: open.
  std::string literal(std::string_view text);

  /// Sends SQL as one simple query; its answers come from next_answer, text in them.
  void send(const std::string& sql);
  /// The next answer of what was sent; null after the last. Throws at the first error, after reading the
  /// rest.
  Answer next_answer();
  /// Sends `bytes` and the end of the COPY that the last answer opened; its answer comes from next_answer.
  /// Stops as soon as the server speaks, since then it has refused the COPY.
  void copy(std::string_view bytes);
  /// Sends SQL and returns all its answers.
  std::vector<Answer> run(const std::string& sql);

  /// Sends all statements in one go and returns their answers, binary. Outside a transaction they are one
  /// transaction. Throws PipelineError at the first that fails; those after it are not done.
  std::vector<Answer> run_pipeline(const std::vector<Statement>& statements);
  /// A pipeline of one.
  Answer run_one(Statement statement);

  /// Ends the transaction if one is open; drops the connection where that fails. Never throws.
  void rollback() noexcept;

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  PGconn* get() const { return connection_.get(); }
  void connect();
  void prefer_next_host();
  void start_deadline(std::chrono::milliseconds timeout);
  short wait(short events);
  void flush();
  void wait_for_answer();
  void queue(const Statement& statement);
  std::vector<Answer> read_pipeline(std::size_t count, bool& answered, std::size_t& good);
  void read_until_sync();
  [[noreturn]] void lose(const std::string& message);
  [[noreturn]] void lose();

  ConnectionOptions options_;
  std::function<void()> tick_;
  std::unique_ptr<PGconn, Finish> connection_;
  std::chrono::steady_clock::time_point deadline_;
  std::chrono::milliseconds timeout_{0};
};

}  // namespace sealstream
