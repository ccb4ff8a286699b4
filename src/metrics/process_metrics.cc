#include "metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace sealstream {
namespace {

/// Fields of /proc/self/stat after the command's name; the first is field 3 of proc(5).
std::vector<double> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream rest(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::vector<double> fields;
  for (std::string field; rest >> field;) fields.push_back(std::strtod(field.c_str(), nullptr));
  return fields;
}

double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  }
  return 0;
}

double open_descriptors() {
  double count = 0;
  std::error_code ignored;
  for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
    ++count;
  }
  return count - 1;  // the one that lists them
}

}  // namespace

std::vector<std::pair<std::string_view, double>> process_values() {
  constexpr std::size_t kUserTime = 11, kSystemTime = 12, kThreads = 17, kStartTime = 19, kVirtual = 20,
                        kPages = 21;
  const std::vector<double> stat = stat_fields();
  std::vector<std::pair<std::string_view, double>> values;
  if (stat.size() > kPages) {
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    values.emplace_back("process_cpu_seconds_total", (stat[kUserTime] + stat[kSystemTime]) / ticks);
    values.emplace_back("process_resident_memory_bytes",
                        stat[kPages] * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    values.emplace_back("process_virtual_memory_bytes", stat[kVirtual]);
    values.emplace_back("process_threads", stat[kThreads]);
    values.emplace_back("process_start_time_seconds", boot_time() + stat[kStartTime] / ticks);
  }
  values.emplace_back("process_open_fds", open_descriptors());
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    values.emplace_back("process_max_fds", static_cast<double>(limit.rlim_cur));
  }
  return values;
}

}  // namespace sealstream
