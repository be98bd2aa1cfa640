#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "log.h"
#include "messages.h"

namespace sightline::app {

/**
 * Reads the card's figures once a second, in a thread of its own: a driver that hangs holds up nobody but that thread, which is
 * left behind at the end. One that answers is done with before the process's own end unloads it. Where there is no driver to
 * ask there are no figures, and the log says so once.
 */
class GpuMonitor {
public:
  /** `log` must outlive this, not the thread. */
  GpuMonitor(unsigned gpu, Log &log);
  ~GpuMonitor();
  GpuMonitor(const GpuMonitor &) = delete;
  GpuMonitor &operator=(const GpuMonitor &) = delete;

  void start();
  /** Absent when the driver said nothing for a while. Never blocks. */
  std::optional<GpuStats> latest();

private:
  /** What the thread has in common with whoever started it; it may live longer. */
  struct Shared {
    std::mutex mutex;
    std::condition_variable closing;
    std::condition_variable left;
    bool closed = false;
    /** The thread calls the driver no more. */
    bool has_left = false;
    /** Null once closed. */
    Log *log = nullptr;
    std::optional<GpuStats> stats;
    /** Since when a call is under way; 0: none is. */
    std::int64_t asked_us = 0;
    bool said_hung = false;
  };
  static void watch(Shared &shared, unsigned gpu);
  static void run(const std::shared_ptr<Shared> &shared, unsigned gpu);
  /** False when it is closed. */
  static bool wait(Shared &shared, std::chrono::milliseconds time);
  static void ask(Shared &shared, bool begins);
  static void say(Shared &shared, LogLevel level, const std::string &message, const std::string &reason);

  const unsigned gpu_;
  const std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

} // namespace sightline::app
