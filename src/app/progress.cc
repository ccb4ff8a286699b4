#include "app/progress.h"

#include <cmath>
#include <ostream>
#include <sstream>

#include "app/json_writer.h"

namespace sealstream {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kOnATerminal{500};
constexpr milliseconds kElsewhere{10'000};

milliseconds pause(const Terminal& terminal) { return terminal.live ? kOnATerminal : kElsewhere; }

}  // namespace

Progress::Progress(const Terminal& terminal, std::string task, Clock clock)
    : terminal_(terminal),
      task_(std::move(task)),
      clock_(std::move(clock)),
      begun_(clock_()),
      due_(begun_ + pause(terminal)) {}

Progress::~Progress() {
  if (line_is_open_) terminal_.err << "\r\033[K" << std::flush;
}

void Progress::at(std::int64_t done, std::int64_t all, std::string now) {
  done_ = done;
  all_ = all;
  now_ = std::move(now);
  tick();
}

void Progress::tick() {
  if (all_ == 0 || clock_() < due_) return;
  due_ = clock_() + pause(terminal_);
  say();
}

void Progress::say() {
  const double elapsed_s = std::chrono::duration<double>(clock_() - begun_).count();
  const double rate = static_cast<double>(done_) / elapsed_s;
  const std::int64_t left_s =
      done_ == 0 ? -1 : static_cast<std::int64_t>(std::ceil(static_cast<double>(all_ - done_) / rate));
  if (!terminal_.live) {
    JsonWriter json;
    json.begin_object().member("task", task_).member("now", now_).member("done", done_).member("all", all_);
    json.key("seconds_left");
    left_s < 0 ? json.null() : json.value(left_s);
    terminal_.err << json.end_object().text() << std::endl;
    return;
  }
  std::ostringstream rounded;
  rounded.precision(2);
  rounded << rate;
  terminal_.err << "\r\033[K" << task_ << ": " << printable(now_) << ", " << done_ << " of " << all_;
  if (left_s >= 0) terminal_.err << ", " << rounded.str() << "/s, " << left_s << " s left";
  terminal_.err << std::flush;
  line_is_open_ = true;
}

}  // namespace sealstream
