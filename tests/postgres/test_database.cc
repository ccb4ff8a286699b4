#include "postgres/test_database.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

namespace sealstream {
namespace {

constexpr const char* kRolePassword = "only-for-tests";
constexpr const char* kLoginRoles[] = {"audit_migrator", "audit_writer",   "audit_app",    "audit_reader",
                                       "audit_auditor",  "audit_operator", "audit_eraser", "audit_rebuilder"};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr)
    throw std::runtime_error(std::string(name) + " is not set: run under deploy/servers.py");
  return value;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return text.str();
}

using Answer = std::unique_ptr<PGresult, void (*)(PGresult*)>;

Answer checked(PGresult* result) {
  Answer answer(result, PQclear);
  const auto status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    throw std::runtime_error(PQresultErrorMessage(result));
  return answer;
}

std::vector<std::filesystem::path> up_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SEALSTREAM_SOURCE_DIR "/migrations")) {
    if (entry.path().string().ends_with(".up.sql")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

SuperuserSession::SuperuserSession(const std::string& database) {
  const std::string uri = environment("SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI");
  const char* const names[] = {"dbname", database.empty() ? nullptr : "dbname", nullptr};
  const char* const values[] = {uri.c_str(), database.c_str(), nullptr};
  connection_.reset(PQconnectdbParams(names, values, 1));
  if (PQstatus(get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(get()));
  run("SET client_min_messages = warning");
}

void SuperuserSession::run(const std::string& sql) { checked(PQexec(get(), sql.c_str())); }

void SuperuserSession::execute(const std::string& sql, const std::vector<const char*>& parameters) {
  checked(PQexecParams(get(), sql.c_str(), static_cast<int>(parameters.size()), nullptr, parameters.data(),
                       nullptr, nullptr, 0));
}

std::vector<std::string> SuperuserSession::values(const std::string& sql,
                                                  const std::vector<std::string>& parameters) {
  std::vector<const char*> pointers;
  for (const std::string& parameter : parameters) pointers.push_back(parameter.c_str());
  const Answer answer = checked(PQexecParams(get(), sql.c_str(), static_cast<int>(pointers.size()), nullptr,
                                             pointers.data(), nullptr, nullptr, 0));
  std::vector<std::string> column;
  for (int i = 0; i < PQntuples(answer.get()); ++i) column.emplace_back(PQgetvalue(answer.get(), i, 0));
  return column;
}

std::string SuperuserSession::value(const std::string& sql, const std::vector<std::string>& parameters) {
  return values(sql, parameters).at(0);
}

TestDatabase::TestDatabase() {
  name_ = "test_" + std::to_string(getpid()) + "_" + std::to_string(std::random_device()());
  SuperuserSession server;
  server.run(
      "SELECT pg_advisory_lock(20261122)");  // roles belong to the server: one test at a time makes them
  server.run("CREATE DATABASE " + name_ + " TEMPLATE template0");
  superuser_ = std::make_unique<SuperuserSession>(name_);
  superuser_->run(read_file(SEALSTREAM_SOURCE_DIR "/deploy/roles.sql"));
  for (const char* role : kLoginRoles) {
    superuser_->run("ALTER ROLE " + std::string(role) + " PASSWORD '" + kRolePassword + "'");
  }
  for (const auto& file : up_files()) superuser_->run(read_file(file));

  password_file_ = std::filesystem::temp_directory_path() / (name_ + ".password");
  std::ofstream(password_file_) << kRolePassword << '\n';
}

TestDatabase::~TestDatabase() {
  std::filesystem::remove(password_file_);
  superuser_.reset();
  try {
    SuperuserSession().run("DROP DATABASE " + name_ + " WITH (FORCE)");
  } catch (const std::runtime_error&) {
    // The server is gone, and the database with it.
  }
}

ConnectionOptions TestDatabase::as(const std::string& role) const {
  ConnectionOptions options;
  options.host = environment("SEALSTREAM_TEST_POSTGRES_HOST");
  options.port = static_cast<std::uint16_t>(std::stoi(environment("SEALSTREAM_TEST_POSTGRES_PORT")));
  options.database = name_;
  options.user = role;
  options.password_file = password_file_;
  options.sslmode = "disable";
  return options;
}

}  // namespace sealstream
