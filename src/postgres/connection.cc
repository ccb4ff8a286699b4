#include "postgres/connection.h"

#include <poll.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "ingest/sabotage.h"

namespace sealstream {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLongestPoll{500};
// libpq may hold bytes that it decrypted and did not hand on: then the socket stays silent. Look again soon.
constexpr milliseconds kLongestPollUnderTls{20};
constexpr std::size_t kCopyChunkBytes = 65'536;

std::string first_line(const char* message) {
  const std::string_view text(message);
  return std::string(text.substr(0, text.find('\n')));
}

std::string field(const PGresult* result, int code) {
  const char* value = PQresultErrorField(result, code);
  return value == nullptr ? std::string() : std::string(value);
}

/// Without DETAIL, HINT and CONTEXT: those repeat values of the row.
DatabaseError error_of(const PGresult* result) {
  const std::string severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  std::string message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (message.empty()) message = first_line(PQresultErrorMessage(result));
  const bool lost = sqlstate.empty() || severity == "FATAL" || severity == "PANIC";
  return {sqlstate, field(result, PG_DIAG_CONSTRAINT_NAME), message, lost};
}

bool is_sqlstate(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
}

/// libpq gives the SQLSTATE of a refused connection only within its verbose message: "FATAL:  28P01: …".
DatabaseError connect_error(const char* verbose_message) {
  constexpr std::string_view kBefore = ":  ";
  const std::string_view message(verbose_message);
  for (auto at = message.find(kBefore); at != std::string_view::npos; at = message.find(kBefore, at + 1)) {
    const auto code = message.substr(at + kBefore.size(), 5);
    const auto after = message.substr(std::min(at + kBefore.size() + 5, message.size()));
    if (code.size() == 5 && is_sqlstate(code) && after.starts_with(": ")) {
      return {std::string(code), "", first_line(verbose_message), true};
    }
  }
  return DatabaseError::no_answer(first_line(verbose_message));
}

void ignore_notice(void* /*context*/, const PGresult* /*notice*/) {}

bool is_error(const Answer& answer) {
  const auto status = PQresultStatus(answer.get());
  return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

}  // namespace

Connection::Connection(ConnectionOptions options, std::function<void()> tick)
    : options_(std::move(options)), tick_(std::move(tick)) {}

void Connection::open() {
  if (is_open()) return;
  try {
    connect();
  } catch (const DatabaseError&) {
    prefer_next_host();
    throw;
  }
}

/// Within one attempt libpq goes on to the next host where one refuses, but stays with one that is silent.
void Connection::prefer_next_host() {
  const auto comma = options_.host.find(',');
  if (comma == std::string::npos) return;
  options_.host = options_.host.substr(comma + 1) + "," + options_.host.substr(0, comma);
}

void Connection::connect() {
  const auto parameters = connection_parameters(options_);
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);

  start_deadline(options_.connect_timeout);
  connection_.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
  if (!is_open()) throw DatabaseError::no_answer("out of memory for a connection");
  PQsetErrorVerbosity(get(), PQERRORS_VERBOSE);
  PQsetNoticeReceiver(get(), ignore_notice, nullptr);
  auto state = PQstatus(get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
    if (wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT) != 0) state = PQconnectPoll(get());
  }
  if (state == PGRES_POLLING_FAILED || PQsetnonblocking(get(), 1) != 0) {
    const bool wants_password = PQconnectionNeedsPassword(get()) != 0;
    const auto error = connect_error(PQerrorMessage(get()));
    drop();
    if (wants_password)
      throw DatabaseError::configuration("the database wants a password, and no file names one");
    throw error;
  }
  PQsetErrorVerbosity(get(), PQERRORS_DEFAULT);
}

bool Connection::in_transaction() const {
  if (!is_open()) return false;
  return PQtransactionStatus(get()) != PQTRANS_IDLE;
}

std::string Connection::literal(std::string_view text) {
  const std::unique_ptr<char, void (*)(void*)> quoted(PQescapeLiteral(get(), text.data(), text.size()),
                                                      PQfreemem);
  if (quoted == nullptr) throw DatabaseError("22021", "", "a name is not valid UTF-8", false);
  return quoted.get();
}

void Connection::send(const std::string& sql) {
  assert(is_open());
  start_deadline(options_.answer_timeout);
  if (PQsendQuery(get(), sql.c_str()) == 0) lose();
  flush();
}

Answer Connection::next_answer() {
  wait_for_answer();
  Answer answer(PQgetResult(get()));
  if (answer == nullptr || !is_error(answer)) return answer;
  const auto error = error_of(answer.get());
  if (error.lost()) {
    drop();
    throw error;
  }
  while (answer != nullptr) {
    wait_for_answer();
    answer.reset(PQgetResult(get()));
  }
  throw error;
}

void Connection::copy(std::string_view bytes) {
  bool refused = false;
  while (!bytes.empty() && !refused) {
    const auto chunk = bytes.substr(0, kCopyChunkBytes);
    if (PQputCopyData(get(), chunk.data(), static_cast<int>(chunk.size())) != 1) break;
    bytes.remove_prefix(chunk.size());
    int unsent = 1;
    while (unsent == 1 && !refused) {
      refused = (wait(POLLIN | POLLOUT) & ~POLLOUT) != 0;
      unsent = PQflush(get());
    }
    if (unsent != 1) start_deadline(options_.answer_timeout);
    crash_point("mid_copy");
  }
  // A refused COPY, or a lost connection: the reason comes with the next answer.
  const bool complete = bytes.empty() && !refused;
  if (PQputCopyEnd(get(), complete ? nullptr : "stopped: the COPY could not be sent whole") != 1) lose();
}

std::vector<Answer> Connection::run(const std::string& sql) {
  send(sql);
  std::vector<Answer> answers;
  while (auto answer = next_answer()) answers.push_back(std::move(answer));
  return answers;
}

std::vector<Answer> Connection::run_pipeline(const std::vector<Statement>& statements) {
  assert(is_open() && !statements.empty());
  bool queued = false;
  bool answered = false;
  std::size_t good = 0;
  try {
    start_deadline(options_.answer_timeout);
    if (PQenterPipelineMode(get()) == 0) lose();
    for (const auto& statement : statements) {
      queued = &statement == &statements.back();
      queue(statement);
    }
    if (PQpipelineSync(get()) == 0) lose();
    flush();
    crash_point("pipeline_sent");
    return read_pipeline(statements.size(), answered, good);
  } catch (const DatabaseError& error) {
    throw PipelineError(error, queued, answered, good);
  }
}

Answer Connection::run_one(Statement statement) {
  std::vector<Statement> statements;
  statements.push_back(std::move(statement));
  return std::move(run_pipeline(statements).front());
}

void Connection::queue(const Statement& statement) {
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const auto& parameter : statement.parameters) {
    types.push_back(parameter.type);
    values.push_back(parameter.bytes ? parameter.bytes->data() : nullptr);
    lengths.push_back(parameter.bytes ? static_cast<int>(parameter.bytes->size()) : 0);
    formats.push_back(1);
  }
  if (PQsendQueryParams(get(), statement.sql.c_str(), static_cast<int>(types.size()), types.data(),
                        values.data(), lengths.data(), formats.data(), 1) == 0) {
    lose();
  }
}

std::vector<Answer> Connection::read_pipeline(std::size_t count, bool& answered, std::size_t& good) {
  std::vector<Answer> answers;
  bool ended = false;
  while (answers.size() < count) {
    wait_for_answer();
    Answer answer(PQgetResult(get()));
    if (answer == nullptr) {  // the end of the statement before
      if (ended && PQstatus(get()) == CONNECTION_BAD) lose();
      ended = true;
      continue;
    }
    ended = false;
    if (!is_error(answer)) {
      answers.push_back(std::move(answer));
      good = answers.size();
      continue;
    }
    const auto error = error_of(answer.get());
    answered = !error.sqlstate().empty();
    if (error.lost()) {
      drop();
    } else {
      read_until_sync();
    }
    throw error;
  }
  try {
    read_until_sync();
  } catch (const DatabaseError&) {
    drop();  // every statement was answered: the loss is the next call's affair
  }
  return answers;
}

void Connection::read_until_sync() {
  for (;;) {
    wait_for_answer();
    const Answer answer(PQgetResult(get()));
    if (answer == nullptr) {
      if (PQstatus(get()) == CONNECTION_BAD) lose();
      continue;
    }
    if (PQresultStatus(answer.get()) == PGRES_PIPELINE_SYNC) break;
    if (is_error(answer) && error_of(answer.get()).lost()) lose();
  }
  if (PQexitPipelineMode(get()) == 0) lose();
}

void Connection::rollback() noexcept {
  if (!in_transaction()) return;
  try {
    run("ROLLBACK");
  } catch (const std::exception&) {
    drop();
  }
}

void Connection::start_deadline(milliseconds timeout) {
  timeout_ = timeout;
  deadline_ = steady_clock::now() + timeout;
}

/// Waits for any of `events`, half a second at most; returns those that came, 0 for none.
short Connection::wait(short events) {
  tick_();
  const auto left = std::chrono::ceil<milliseconds>(deadline_ - steady_clock::now());
  if (left <= milliseconds::zero()) {
    lose("the database gave no answer within " + std::to_string(timeout_.count()) + " ms");
  }
  const auto longest = PQsslInUse(get()) != 0 ? kLongestPollUnderTls : kLongestPoll;
  if (PQsocket(get()) < 0) return events;  // closed: the next call of libpq tells
  pollfd socket{PQsocket(get()), events, 0};
  const int ready = poll(&socket, 1, static_cast<int>(std::min(left, longest).count()));
  if (ready < 0 && errno != EINTR) lose("poll of the database's socket failed");
  return ready > 0 ? socket.revents : static_cast<short>(0);
}

/// Sends what libpq has buffered, and takes in what arrives meanwhile.
void Connection::flush() {
  for (;;) {
    if (PQflush(get()) <= 0) return;  // sent; or broken: the reason comes with the answer
    if ((wait(POLLIN | POLLOUT) & ~POLLOUT) != 0 && PQconsumeInput(get()) == 0) return;
  }
}

void Connection::wait_for_answer() {
  start_deadline(options_.answer_timeout);
  flush();
  while (PQisBusy(get()) != 0) {
    wait(POLLIN);
    if (PQconsumeInput(get()) == 0) return;  // PQgetResult tells what happened
  }
}

void Connection::lose(const std::string& message) {
  drop();
  throw DatabaseError::no_answer(message);
}

void Connection::lose() { lose(first_line(PQerrorMessage(get()))); }

}  // namespace sealstream
