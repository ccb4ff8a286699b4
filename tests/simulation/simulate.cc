// simulate [--seeds N] [--from S] [--jobs N] [--first]: as many histories as wanted, each from its seed; see
// tests/simulate.
//
// A failure prints its seed, the fewest faults with which it still fails, and what happened. --first ends
// with the first one.
#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>

#include "simulation/world.h"

namespace {

using namespace sealstream::simulation;

/// The outcome with the fewest faults, from the first on, that still fails.
Outcome shortest(std::uint64_t seed, const Outcome& failed) {
  for (int faults = 0; faults < std::ssize(failed.faults); ++faults) {
    Outcome outcome = simulate(seed, {.at_most_faults = faults});
    if (outcome.failure) return outcome;
  }
  return failed;
}

void print(std::uint64_t seed, const Outcome& failed) {
  const Outcome outcome = shortest(seed, failed);
  std::printf("seed %llu: %s\n  with its first %zu of %zu faults:\n", static_cast<unsigned long long>(seed),
              outcome.failure->c_str(), outcome.faults.size(), failed.faults.size());
  for (const std::string& line : outcome.trace) std::printf("    %s\n", line.c_str());
}

/// "kill -9 of 3" is a kill -9.
std::string kind(std::string fault) {
  std::erase_if(fault, [](char c) { return c >= '0' && c <= '9'; });
  while (fault.ends_with(' ')) fault.pop_back();
  return fault;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seeds = 10'000, from = 1;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  bool first = false;
  CLI::App app("Simulated histories of the ingester, each from a seed.");
  app.add_option("--seeds", seeds, "how many");
  app.add_option("--from", from, "the first seed");
  app.add_option("--jobs", jobs, "at a time");
  app.add_flag("--first", first, "end with the first failure");
  CLI11_PARSE(app, argc, argv);

  std::atomic<std::uint64_t> next = from;
  std::mutex mutex;
  std::map<std::string, std::int64_t> struck;
  std::int64_t records = 0, failures = 0;
  {
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < jobs; ++i) {
      workers.emplace_back([&] {
        for (std::uint64_t seed = next++; seed < from + seeds; seed = next++) {
          const Outcome outcome = simulate(seed);
          const std::lock_guard lock(mutex);
          records += outcome.records;
          for (const std::string& fault : outcome.faults) ++struck[kind(fault)];
          if (!outcome.failure) continue;
          if (first && failures > 0) return;
          ++failures;
          print(seed, outcome);
          if (first) next = from + seeds;
        }
      });
    }
  }
  for (const auto& [what, times] : struck)
    std::printf("%10lld times: %s\n", static_cast<long long>(times), what.c_str());
  std::printf("%llu histories from seed %llu, %lld records, %lld failed\n",
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(from),
              static_cast<long long>(records), static_cast<long long>(failures));
  return failures == 0 ? 0 : 1;
}
