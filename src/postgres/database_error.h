// What the server said, or that it said nothing, before anyone decided what that means (classify.h).
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace sealstream {

/// How far a call had come when it failed.
enum class Phase {
  connect,      ///< opening the connection
  copy,         ///< BEGIN to the end of COPY
  statements,   ///< any statement but COMMIT
  commit_sent,  ///< COMMIT may have reached the server, and its answer is what failed or is missing
};

class DatabaseError : public std::runtime_error {
 public:
  DatabaseError(std::string sqlstate, std::string constraint, const std::string& message, bool lost)
      : std::runtime_error(message),
        sqlstate_(std::move(sqlstate)),
        constraint_(std::move(constraint)),
        lost_(lost) {}

  /// The connection was lost, or its deadline passed: no answer, so no SQLSTATE.
  static DatabaseError no_answer(const std::string& message) { return {"", "", message, true}; }
  /// Our own configuration is wrong. Carries the SQLSTATE that a server gives for a refused login.
  static DatabaseError configuration(const std::string& message) { return {"28000", "", message, true}; }

  const std::string& sqlstate() const { return sqlstate_; }      ///< empty where the server did not answer
  const std::string& constraint() const { return constraint_; }  ///< empty where none was violated
  bool lost() const { return lost_; }  ///< the connection is gone, or its session is ending (FATAL)

 private:
  std::string sqlstate_;
  std::string constraint_;
  bool lost_;
};

}  // namespace sealstream
