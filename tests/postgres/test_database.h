// A database of its own for each test, on the server that deploy/servers.py started: with the roles, and
// migrated.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/connection_options.h"

namespace sealstream {

/// A session of the superuser. All calls throw std::runtime_error with the server's message where it refuses.
class SuperuserSession {
 public:
  /// `database` empty: the one that the server's address names.
  explicit SuperuserSession(const std::string& database = "");

  /// One simple query of one or more statements.
  void run(const std::string& sql);
  /// The first column of the answer, as text; NULL is "".
  std::vector<std::string> values(const std::string& sql, const std::vector<std::string>& parameters = {});
  /// The first value of the answer.
  std::string value(const std::string& sql, const std::vector<std::string>& parameters = {});
  /// A parameter "\\x…" for bytea columns and any text for the others; null pointers are NULL.
  void execute(const std::string& sql, const std::vector<const char*>& parameters);

  PGconn* get() const { return connection_.get(); }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Finish> connection_;
};

/// Made with the test, dropped with it.
class TestDatabase {
 public:
  TestDatabase();
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  SuperuserSession& superuser() { return *superuser_; }
  /// How that role logs in.
  ConnectionOptions as(const std::string& role) const;

 private:
  std::string name_;
  std::string password_file_;
  std::unique_ptr<SuperuserSession> superuser_;
};

}  // namespace sealstream
