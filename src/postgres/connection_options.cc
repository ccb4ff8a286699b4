#include "postgres/connection_options.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "postgres/database_error.h"

namespace sealstream {
namespace {

std::string read_password(const std::string& path) {
  std::ifstream file(path);
  std::string password;
  if (!file) {
    throw DatabaseError::configuration("the password file " + path +
                                       " cannot be read: " + std::strerror(errno));
  }
  if (!std::getline(file, password)) {
    throw DatabaseError::configuration("the password file " + path + " is empty");
  }
  if (!password.empty() && password.back() == '\r') password.pop_back();
  return password;
}

std::string quoted(const std::string& value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> connection_parameters(const ConnectionOptions& options) {
  using std::chrono::ceil, std::chrono::seconds;
  std::vector<std::pair<std::string, std::string>> out = {
      {"host", options.host},
      {"port", std::to_string(options.port)},
      {"dbname", options.database},
      {"user", options.user},
      {"sslmode", options.sslmode},
      {"application_name", options.application_name},
      {"client_encoding", "UTF8"},
      {"connect_timeout", std::to_string(ceil<seconds>(options.connect_timeout).count())},
      {"keepalives", "1"},
      {"keepalives_idle", "5"},
      {"keepalives_interval", "2"},
      {"keepalives_count", "3"},
  };
  if (options.host.find(',') != std::string::npos) out.emplace_back("target_session_attrs", "primary");
  if (!options.sslrootcert.empty()) out.emplace_back("sslrootcert", options.sslrootcert);
  if (!options.sslcert.empty()) out.emplace_back("sslcert", options.sslcert);
  if (!options.sslkey.empty()) out.emplace_back("sslkey", options.sslkey);
  if (!options.password_file.empty()) out.emplace_back("password", read_password(options.password_file));
  return out;
}

std::string connection_string(const ConnectionOptions& options) {
  std::string out;
  for (const auto& [keyword, value] : connection_parameters(options)) {
    out += keyword + "=" + quoted(value) + " ";
  }
  return out;
}

}  // namespace sealstream
