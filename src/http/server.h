// The admin endpoints: a small HTTP server whose answers are plain functions.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace sealstream {

struct HttpResponse {
  int code = 200;
  std::string content_type = "application/json";
  std::string body;
};

/// Answers GET and HEAD of one path. Runs on the thread of the io_context and must not wait. What it throws
/// becomes a 500 that says nothing.
using HttpHandler = std::function<HttpResponse()>;

struct HttpLimits {
  /// Connections at a time; more are accepted and closed at once.
  std::size_t connections = 64;
  /// Bytes of a request's line and headers; beyond them 431. A request with a body gets 413.
  std::uint32_t header_bytes = 8 * 1024;
  /// How long a client may take to send its request; then the connection is closed without an answer.
  std::chrono::milliseconds read_timeout{5'000};
  /// How long a client may take to receive the answer.
  std::chrono::milliseconds write_timeout{10'000};
};

/// Serves until it is destroyed. One request a connection: a connection that is not kept cannot be hoarded.
/// Owned by app/assemble; constructed, used and destroyed on the thread of the io_context.
class HttpServer {
 public:
  /// Listens at once. `answered` hears the code of every answer. Throws std::runtime_error where the address
  /// cannot be had.
  HttpServer(boost::asio::io_context& io, const std::string& host, std::uint16_t port,
             std::map<std::string, HttpHandler> routes, std::function<void(int code)> answered,
             const HttpLimits& limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The port that it listens on: the one asked for, or where that was 0 the one that the system chose.
  std::uint16_t port() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sealstream
