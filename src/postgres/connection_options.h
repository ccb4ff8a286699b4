// How to reach PostgreSQL as one role. Secrets come from files only, and are read anew for every connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sealstream {

struct ConnectionOptions {
  std::string host = "127.0.0.1";  ///< several, with commas: the one that is the primary is connected to
  std::uint16_t port = 5432;
  std::string database;
  std::string user;
  std::string password_file;            ///< empty: no password is offered
  std::string sslmode = "verify-full";  ///< as libpq names them
  std::string sslrootcert;              ///< empty: libpq's default
  std::string sslcert;                  ///< empty: no client certificate
  std::string sslkey;
  std::string application_name = "sealstream";

  /// How long opening a connection may take, the resolver's time apart.
  std::chrono::milliseconds connect_timeout{5'000};
  /// How long the server may take for one answer; in COPY, for taking any more bytes. Longer than
  /// kStatementTimeout, so that a slow server speaks first and a commit is not left in doubt.
  std::chrono::milliseconds answer_timeout{40'000};
};

/// Keywords and values for libpq: what the options say, keep-alives (5 s idle, 2 s apart, 3 times), UTF-8.
/// Nothing that a transaction pooler would have to keep for the session. Reads the password file; throws
/// DatabaseError (misconfigured: no SQLSTATE of a server) where it cannot. Holds the password: never log it.
std::vector<std::pair<std::string, std::string>> connection_parameters(const ConnectionOptions& options);

/// The same as one connection string. Holds the password: never log it.
std::string connection_string(const ConnectionOptions& options);

}  // namespace sealstream
