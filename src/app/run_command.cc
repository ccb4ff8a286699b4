// run: the pipeline on its own thread; signals, timers and the admin endpoints on this one.
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

#include "app/assemble.h"
#include "app/commands.h"
#include "app/connections.h"
#include "app/exit_codes.h"
#include "app/health.h"
#include "app/instance_json.h"
#include "app/reload.h"
#include "http/server.h"

namespace sealstream {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTick{1};
constexpr milliseconds kClusterTimeout{5'000};

/// What can be known before the start; where the cluster is away, the start does not wait for it.
std::vector<TopicFacts> ask_cluster(const Config& config) {
  try {
    return ask_topics(kafka_options(config.kafka), kClusterTimeout);
  } catch (const SourceError&) {
    return {};  // the consumer says so, again and again
  }
}

/// Lives on the main thread. The pipeline's thread touches the assembly alone, and posts here when it ends.
class Runner {
 public:
  Runner(const Config& config, std::function<Config()> load, bool color)
      : load_(std::move(load)),
        running_(config.settings),
        assembly_(config, ask_cluster(config), color),
        facts_{SEALSTREAM_VERSION, config.ingest.owner, std::chrono::system_clock::now(), Clock::now()},
        server_(io_, config.http.host, config.http.port, routes(),
                [this](int code) { assembly_.metrics.http_answered(code); }) {
    assembly_.log.write(LogLevel::info, "started",
                        "sealstream " + facts_.version + " as " + facts_.owner + " with " +
                            std::to_string(assembly_.options.lanes) + " lanes; admin endpoints on " +
                            config.http.host + ":" + std::to_string(server_.port()));
  }

  int run() {
    await_signal();
    await_hangup();
    await_tick();
    pipeline_ = std::jthread([this](const std::stop_token& stop) { run_pipeline(stop); });
    io_.run();
    pipeline_.join();
    if (failure_) std::rethrow_exception(failure_);
    assembly_.log.write(
        LogLevel::info, "stopped",
        complete_ ? "Everything in hand was committed" : "Some records in hand were given up");
    return complete_ ? kExitOk : kExitNo;
  }

 private:
  void run_pipeline(const std::stop_token& stop) {
    try {
      complete_ = assembly_.ingester.run(stop);
    } catch (const std::exception& error) {
      assembly_.log.write(LogLevel::error, "pipeline_failed", error.what());
      failure_ = std::current_exception();
    }
    asio::post(io_, [this] { io_.stop(); });
  }

  std::map<std::string, HttpHandler> routes() {
    const auto verdict = [](const Health& health) {
      return HttpResponse{.code = health.ok() ? 200 : 503, .body = to_json(health)};
    };
    const auto status = [this] { return assembly_.ingester.status(); };
    return {
        {"/livez", [=, this] { return verdict(liveness(status(), Clock::now(), facts_.started)); }},
        {"/readyz", [=] { return verdict(readiness(status())); }},
        {"/metrics", [this] { return metrics(); }},
        {"/v1/status",
         [=, this] { return HttpResponse{.body = status_json(status(), facts_, Clock::now())}; }},
        {"/v1/partitions", [=] { return HttpResponse{.body = partitions_json(status())}; }},
    };
  }

  HttpResponse metrics() {
    assembly_.metrics.set_ready(readiness(assembly_.ingester.status()).ok());
    return {.code = 200,
            .content_type = "text/plain; version=0.0.4; charset=utf-8",
            .body = assembly_.metrics.text()};
  }

  void await_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (pipeline_.get_stop_token().stop_requested()) ::_exit(128 + signal);
      assembly_.log.write(LogLevel::info, "draining",
                          "Told to stop: what is in hand is committed, nothing more is taken");
      pipeline_.request_stop();
      await_deadline();
      await_signal();
    });
  }

  void await_hangup() {
    hangups_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      reload();
      await_hangup();
    });
  }

  /// Where the configuration is wrong, nothing of it is taken.
  void reload() {
    try {
      const Config fresh = load_();
      assembly_.reload(fresh);
      std::string sentence = "The configuration was read again; log level and batch limits are in force";
      const char* before = "; a restart takes ";
      for (const std::string& key : waiting_for_restart(running_, fresh.settings)) {
        sentence += std::exchange(before, ", ") + key;
      }
      assembly_.log.write(LogLevel::info, "reloaded", sentence);
    } catch (const ConfigError& error) {
      for (const std::string& finding : error.findings()) {
        assembly_.log.write(LogLevel::error, "reload_failed", finding + "; what was in force stays");
      }
    }
  }

  /// A thread that hangs must not keep the process: what it holds is read again by another instance.
  void await_deadline() {
    deadline_.expires_after(assembly_.options.drain_deadline);
    deadline_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      assembly_.log.write(LogLevel::error, "drain_failed",
                          "The drain's deadline passed and a thread still hangs");
      ::_exit(kExitNo);
    });
  }

  void await_tick() {
    tick_.expires_after(kTick);
    tick_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      assembly_.log.flush_suppressed();
      await_tick();
    });
  }

  const std::function<Config()> load_;
  const Settings running_;
  Assembly assembly_;
  const ProcessFacts facts_;
  asio::io_context io_{1};
  asio::signal_set signals_{io_, SIGTERM, SIGINT};
  asio::signal_set hangups_{io_, SIGHUP};
  asio::steady_timer tick_{io_};
  asio::steady_timer deadline_{io_};
  HttpServer server_;
  bool complete_ = false;  ///< this and failure_ are written by the pipeline's thread before it ends
  std::exception_ptr failure_;
  std::jthread pipeline_;
};

}  // namespace

int run_command(const std::function<Config()>& load, const Terminal& terminal) {
  std::signal(SIGPIPE, SIG_IGN);
  const Config config = load();
  check_secret_files(config);
  return Runner(config, load, terminal.color).run();
}

}  // namespace sealstream
