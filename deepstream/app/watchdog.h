#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "exit_codes.h"
#include "log.h"
#include "settings.h"

namespace sightline::app {

/**
 * When the latest frame of one source left it, and when the latest that came through, or was left out before the detectors,
 * had; microseconds of CLOCK_MONOTONIC.
 */
struct Passage {
  std::int64_t delivered_us = 0;
  std::int64_t through_us = 0;
};

/**
 * Whether a frame is on its way that nothing which left a source later has overtaken. One that was overtaken may never come:
 * the queue before the detectors gives up batches, but none behind which no other stands. Pure.
 */
bool is_pending(const std::vector<Passage> &sources);

/** What the watchdog sees, all in microseconds of CLOCK_MONOTONIC; 0: never. */
struct Pulse {
  std::int64_t started_us = 0;
  /** The pipeline has come to its playing state. */
  bool playing = false;
  /** The main thread was at its loop. */
  std::int64_t beat_us = 0;
  /** A batch came through. */
  std::int64_t batch_us = 0;
  /** As is_pending, or detectors and tracker have a batch. */
  bool pending = false;
  /** A camera delivers that no detector has ever looked at: the next batch may be larger than any before it. */
  bool growing = false;
};

/**
 * Says when a pipeline is stuck. Looked at several times a second. Pure. A batch may take three times as long as those before
 * it, at most as long as a start: a server with too much to do is no wedge, and a program that begins anew gives it more. One
 * that may be larger than all before it has as long as a start.
 */
class WedgeRule {
public:
  explicit WedgeRule(const Limits &limits) : limits_(limits) {}
  /** In words; absent while all is well. */
  std::optional<std::string> look(const Pulse &pulse, std::int64_t now_us);

private:
  int limit_ms(const Pulse &pulse) const;

  Limits limits_;
  std::int64_t batch_us_ = 0;
  std::int64_t pending_since_us_ = 0;
  /** What batches took; the slowest counts less with each that follows. */
  std::int64_t slow_us_ = 0;
};

/**
 * A thread that ends the process when it is stuck, and when an end takes too long: `set_state(NULL)` of a stuck pipeline may
 * never come back.
 */
class Watchdog {
public:
  Watchdog(const Limits &limits, Log &log) : rule_(limits), log_(log) {}
  ~Watchdog();
  Watchdog(const Watchdog &) = delete;
  Watchdog &operator=(const Watchdog &) = delete;

  void start(std::function<Pulse()> pulse);
  /** From now on the end of the process is due: whatever else, it ends with this code after so long. */
  void end_within(int ms, Exit code);

private:
  void run(const std::function<Pulse()> &pulse);

  WedgeRule rule_;
  Log &log_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  std::int64_t end_at_us_ = 0;
  Exit code_ = Exit::done;
  std::thread thread_;
};

} // namespace sightline::app
