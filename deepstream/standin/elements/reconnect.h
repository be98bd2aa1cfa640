// When a source of rtsp:// is reset, as nvurisrcbin decides it, with its faults: resets are 3 s apart over the whole process, a
// warning takes the interval for the beginning, and where that one is 0 nobody watches any more.
#pragma once

#include <cstdint>

namespace standin {

struct ReconnectSettings {
  unsigned interval_s = 0;
  unsigned first_interval_s = 0;
  /** -1 and 0: for ever. */
  int attempts = -1;
};

enum class ReconnectStep { wait, reset, exceeded };

class Reconnect {
public:
  Reconnect(const ReconnectSettings &settings, int64_t now_us);

  /** Whether there is a watchdog at all; without one an error is an error. */
  bool watched() const { return interval_s_ > 0; }
  void data(int64_t now_us);
  /** A warning or an error of the source. */
  void warning();
  /** Once a second. `reset` counts as done: it takes an attempt and the process's turn. */
  ReconnectStep tick(int64_t now_us);

private:
  const ReconnectSettings settings_;
  unsigned interval_s_;
  int left_;
  int64_t last_data_us_;
  bool said_ = false;
};

/** Between two resets of any sources of one process. */
constexpr int64_t kResetsApartUs = 3'000'000;

} // namespace standin
