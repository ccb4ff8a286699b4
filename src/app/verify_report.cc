// How a verification is told: to people, and as JSON.
#include <ctime>

#include "app/json_writer.h"
#include "app/read_model_report.h"
#include "app/verify.h"

namespace sealstream {
namespace {

constexpr std::size_t kMaxPrinted = 20;

std::string time_text(Timestamp moment) {
  const auto second = std::chrono::floor<std::chrono::seconds>(moment);
  const std::time_t unix_time = std::chrono::system_clock::to_time_t(second);
  std::tm utc{};
  gmtime_r(&unix_time, &utc);
  char text[40];
  text[std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc)] = '\0';
  std::string fraction = std::to_string((moment - second).count());
  fraction.insert(0, 6 - fraction.size(), '0');
  return std::string(text) + "." + fraction + "Z";
}

std::string joined(const std::set<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + json_string(name);
  return out;
}

/// What this verdict does not speak about, one sentence each.
std::vector<std::string> limits(const VerifyReport& report) {
  std::vector<std::string> sentences;
  if (report.options.since) {
    sentences.push_back(
        "Rows recorded before " + time_text(*report.options.since) +
        " were not read: of each chain, the prev_checksum stored with the first row since then "
        "was taken on trust, and repeated event ids were not looked for.");
  }
  if (report.options.tenant || report.options.since) {
    sentences.push_back(
        "The counters of the partitions were not checked: they count all rows of all tenants.");
  }
  if (report.personal.unchecked > 0) {
    sentences.push_back("Personal values were not checked in " + std::to_string(report.personal.unchecked) +
                        " rows: " + (report.keyring ? "the keyring lacks" : "there is no keyring with") +
                        " " + joined(report.absent_keys) + ".");
  }
  if (report.read_models) {
    sentences.push_back(
        "The read models were computed again by the views and functions of this database, which its owner "
        "can "
        "change.");
  }
  sentences.push_back(
      "A chain that was cut short together with its head, or sealed anew from its beginning, is found only "
      "against a checkpoint that is kept elsewhere.");
  return sentences;
}

std::string fault_line(const Fault& fault) {
  std::string line = "  " + std::string(name(fault.verdict)) + ": ";
  if (!fault.tenant.empty()) line += "tenant " + json_string(fault.tenant) + ", ";
  if (fault.seq) line += "seq " + std::to_string(fault.seq->value()) + ", ";
  return line + std::string(name(fault.wrong)) + ": " + fault.detail + "\n";
}

std::string more(std::int64_t all, std::size_t printed) {
  const std::int64_t rest = all - static_cast<std::int64_t>(printed);
  return rest > 0 ? "  and " + std::to_string(rest) + " more\n" : "";
}

std::string repeated_lines(const VerifyReport& report) {
  if (report.repeated_ids.empty()) return "";
  std::string out =
      "repeated event ids (no fault: a publisher used an id again with a time that names no leaf of the "
      "first):\n";
  std::size_t printed = 0;
  for (const RepeatedId& id : report.repeated_ids) {
    if (printed++ == kMaxPrinted) break;
    out += "  tenant " + json_string(id.tenant) + ", id " + json_string(id.event_id) + ": " +
           std::to_string(id.rows) + " rows from seq " + std::to_string(id.first.value()) + " to " +
           std::to_string(id.last.value()) + "\n";
  }
  return out + more(static_cast<std::int64_t>(report.repeated_ids.size()), std::min(printed, kMaxPrinted));
}

std::string erasure_lines(const std::vector<Erasure>& erasures, const std::string& what) {
  std::string out;
  std::size_t printed = 0;
  for (const Erasure& erasure : erasures) {
    if (printed++ == kMaxPrinted) break;
    out += "  " + what + " tenant " + json_string(erasure.tenant) + ", seq " +
           std::to_string(erasure.event.value()) + ": " + std::to_string(erasure.rows) + " rows\n";
  }
  return out + more(static_cast<std::int64_t>(erasures.size()), std::min(printed, kMaxPrinted));
}

std::string half_erased_lines(const VerifyReport& report) {
  if (report.half_erased_rows == 0) return "";
  return "half-way erased: " + std::to_string(report.half_erased_rows) +
         " rows that an erasure names still hold personal values (no fault: run the same sealstream erase "
         "again)\n" +
         erasure_lines(report.half_erased, "not erased yet, named by");
}

void write_erasures(JsonWriter& json, std::string_view name, const std::vector<Erasure>& erasures) {
  json.key(name).begin_array();
  for (const Erasure& erasure : erasures) {
    json.begin_object().member("tenant", erasure.tenant).member("seq", erasure.event.value());
    json.member("rows", erasure.rows).end_object();
  }
  json.end_array();
}

void write_faults(JsonWriter& json, const VerifyReport& report) {
  json.key("faults").begin_array();
  for (const Fault& fault : report.faults) {
    json.begin_object();
    json.member("verdict", name(fault.verdict)).member("wrong", name(fault.wrong));
    json.key("tenant");
    fault.tenant.empty() ? json.null() : json.value(fault.tenant);
    json.key("seq");
    fault.seq ? json.value(fault.seq->value()) : json.null();
    json.member("detail", fault.detail).end_object();
  }
  json.end_array().member("fault_count", report.fault_count);
}

void write_personal(JsonWriter& json, const VerifyReport& report) {
  const PersonalCounts& personal = report.personal;
  json.key("personal").begin_object();
  json.member("opened", personal.opened).member("erased", personal.erased);
  json.member("unchecked", personal.unchecked).member("none", personal.none);
  json.key("absent_keys").begin_array();
  for (const std::string& id : report.absent_keys) json.value(id);
  json.end_array();
  write_erasures(json, "erasures", report.erasures);
  json.member("half_erased_rows", report.half_erased_rows);
  write_erasures(json, "half_erased", report.half_erased);
  json.end_object();
}

void write_repeated(JsonWriter& json, const VerifyReport& report) {
  json.key("repeated_ids").begin_array();
  for (const RepeatedId& id : report.repeated_ids) {
    json.begin_object().member("tenant", id.tenant).member("event_id", id.event_id).member("rows", id.rows);
    json.member("first_seq", id.first.value()).member("last_seq", id.last.value()).end_object();
  }
  json.end_array();
}

}  // namespace

std::string report_text(const VerifyReport& report) {
  const PersonalCounts& personal = report.personal;
  std::string out = std::string(name(report.verdict)) + ": " + std::to_string(report.rows) + " rows in " +
                    std::to_string(report.chains) + " chains\n";
  std::size_t printed = 0;
  for (const Fault& fault : report.faults) {
    if (printed == kMaxPrinted) break;
    out += fault_line(fault);
    ++printed;
  }
  out += more(report.fault_count, printed);
  out += "personal values: " + std::to_string(personal.opened) + " rows opened, " +
         std::to_string(personal.erased) + " erased, " + std::to_string(personal.unchecked) +
         " not checked, " + std::to_string(personal.none) + " without any\n";
  out += erasure_lines(report.erasures, "erased by") + half_erased_lines(report) + repeated_lines(report);
  if (report.read_models) out += read_model_text(*report.read_models);
  out += "limits:\n";
  for (const std::string& sentence : limits(report)) out += "  " + sentence + "\n";
  return out;
}

std::string report_json(const VerifyReport& report) {
  JsonWriter json;
  json.begin_object().member("verdict", name(report.verdict)).member("exit_code", exit_code(report.verdict));
  json.member("rows", report.rows).member("chains", report.chains);
  json.key("tenant");
  report.options.tenant ? json.value(*report.options.tenant) : json.null();
  json.key("since");
  report.options.since ? json.value(time_text(*report.options.since)) : json.null();
  json.member("chain_only", report.options.chain_only).member("keyring", report.keyring);
  write_faults(json, report);
  write_personal(json, report);
  write_repeated(json, report);
  json.key("read_models");
  report.read_models ? write_read_models(json, *report.read_models) : void(json.null());
  json.key("limits").begin_array();
  for (const std::string& sentence : limits(report)) json.value(sentence);
  json.end_array().end_object();
  return json.text() + "\n";
}

}  // namespace sealstream
