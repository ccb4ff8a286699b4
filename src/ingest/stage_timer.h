// Times one stage of a batch, from its making to the end of its scope.
#pragma once

#include <chrono>

#include "sealstream/ingest/probe.h"

namespace sealstream {

class StageTimer {
 public:
  StageTimer(Probe& probe, Stage stage) : probe_(probe), stage_(stage) {}
  ~StageTimer() {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin_;
    probe_.stage_took(stage_, took.count());
  }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  Probe& probe_;
  Stage stage_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace sealstream
