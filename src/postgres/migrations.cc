#include "postgres/migrations.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "postgres/embedded_migrations.h"

namespace sealstream {
namespace {

constexpr std::string_view kUp = ".up.sql";
constexpr std::string_view kDown = ".down.sql";

/// NNNN_
bool starts_with_version(std::string_view name) {
  return name.size() > 5 && name[4] == '_' &&
         std::all_of(name.begin(), name.begin() + 4, [](char c) { return c >= '0' && c <= '9'; });
}

struct Halves {
  std::optional<std::string> up;
  std::optional<std::string> down;
};

/// Collects files into migrations.
class Collector {
 public:
  void add(const std::string& file, std::string text) {
    const std::string_view name(file);
    const bool up = name.ends_with(kUp);
    if (!starts_with_version(name) || (!up && !name.ends_with(kDown))) return;
    auto& halves = halves_[file.substr(0, file.size() - (up ? kUp : kDown).size())];
    (up ? halves.up : halves.down) = std::move(text);
  }

  std::vector<Migration> finish() {
    std::vector<Migration> migrations;
    for (auto& [name, halves] : halves_) {
      if (!halves.up || !halves.down) {
        throw std::runtime_error("migration " + name + " lacks its " + (halves.up ? "down" : "up") + " file");
      }
      const int version = std::stoi(name.substr(0, 4));
      if (version != static_cast<int>(migrations.size()) + 1) {
        throw std::runtime_error("migration " + name + " does not follow version " +
                                 std::to_string(migrations.size()));
      }
      migrations.push_back({version, name, std::move(*halves.up), std::move(*halves.down)});
    }
    if (migrations.empty()) throw std::runtime_error("there are no migrations");
    return migrations;
  }

 private:
  std::map<std::string, Halves> halves_;
};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) throw std::runtime_error(path.string() + " cannot be read");
  return text;
}

}  // namespace

std::vector<Migration> embedded_migrations() {
  Collector collector;
  for (const auto& file : embedded_migration_files()) {
    collector.add(std::string(file.name), std::string(file.text));
  }
  return collector.finish();
}

std::vector<Migration> read_migrations(const std::string& directory) {
  if (!std::filesystem::is_directory(directory)) {
    throw std::runtime_error(directory + " is not a directory of migrations");
  }
  Collector collector;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".sql") {
      collector.add(entry.path().filename().string(), read_file(entry.path()));
    }
  }
  return collector.finish();
}

int known_schema_version() {
  static const int version = embedded_migrations().back().version;
  return version;
}

Checksum checksum_of(const Migration& migration) { return Blake2b().update(migration.up).finish(); }

}  // namespace sealstream
