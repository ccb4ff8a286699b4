#include "ingest/mailbox.h"

namespace sealstream {

void Mailbox::send(Command command) {
  const std::lock_guard lock(mutex_);
  commands_.push_back(std::move(command));
  ++sent_;
  changed_.notify_all();
}

bool Mailbox::wait_done(Deadline deadline) {
  std::unique_lock lock(mutex_);
  return runtime_.wait_until(lock, changed_, deadline, [&] { return commands_.empty() && !busy_; });
}

bool Mailbox::pending() const {
  const std::lock_guard lock(mutex_);
  return !commands_.empty();
}

bool Mailbox::idle() const {
  const std::lock_guard lock(mutex_);
  return commands_.empty() && !busy_;
}

std::optional<Command> Mailbox::take() {
  const std::lock_guard lock(mutex_);
  if (commands_.empty()) return std::nullopt;
  std::optional<Command> command(std::move(commands_.front()));
  commands_.pop_front();
  busy_ = true;
  return command;
}

void Mailbox::done() {
  const std::lock_guard lock(mutex_);
  busy_ = false;
  changed_.notify_all();
}

std::optional<CloseCommand> Mailbox::next_close() const {
  const std::lock_guard lock(mutex_);
  for (const Command& command : commands_) {
    if (const auto* close = std::get_if<CloseCommand>(&command)) return *close;
  }
  return std::nullopt;
}

void Mailbox::wait(Deadline deadline) {
  std::unique_lock lock(mutex_);
  runtime_.wait_until(lock, changed_, deadline, [&] { return sent_ != noticed_; });
  noticed_ = sent_;
}

}  // namespace sealstream
