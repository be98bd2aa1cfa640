#include "watchdog.h"

#include <unistd.h>

#include "clocks.h"

namespace sightline::app {
namespace {

constexpr auto lookEvery = std::chrono::milliseconds(100);

std::string seconds(int ms) {
  return std::to_string(ms / 1000) + " s";
}

} // namespace

std::optional<std::string> WedgeRule::look(const Pulse &pulse, std::int64_t nowUs) {
  if (pulse.startedUs == 0) return std::nullopt;
  if (!pulse.playing) {
    if (nowUs - pulse.startedUs > limits_.startMs * std::int64_t{1000})
      return "the pipeline has not started within " + seconds(limits_.startMs);
    return std::nullopt;
  }
  if (nowUs - pulse.beatUs > limits_.batchMs * std::int64_t{1000})
    return "a change of the pipeline's state has not ended within " + seconds(limits_.batchMs);
  if (pulse.batchUs != batchUs_ || pulse.deliveredUs <= pulse.batchUs) {
    batchUs_ = pulse.batchUs;
    pendingSinceUs_ = 0;
    return std::nullopt;
  }
  if (pendingSinceUs_ == 0) pendingSinceUs_ = nowUs;
  // The first batch waits for all that is loaded with it.
  const int limitMs = pulse.batchUs == 0 ? limits_.startMs : limits_.batchMs;
  if (nowUs - pendingSinceUs_ <= limitMs * std::int64_t{1000}) return std::nullopt;
  return "no batch for " + seconds(limitMs) + " while sources deliver";
}

Watchdog::~Watchdog() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::start(std::function<Pulse()> pulse) {
  thread_ = std::thread([this, pulse = std::move(pulse)] { run(pulse); });
}

void Watchdog::endWithin(int ms, Exit code) {
  const std::lock_guard lock(mutex_);
  if (endAtUs_ != 0) return;
  endAtUs_ = monoUs() + ms * std::int64_t{1000};
  code_ = code;
}

void Watchdog::run(const std::function<Pulse()> &pulse) {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, lookEvery, [&] { return closed_; })) {
    if (endAtUs_ != 0) {
      if (monoUs() >= endAtUs_) _exit(static_cast<int>(code_));
      continue;
    }
    const auto wedged = rule_.look(pulse(), monoUs());
    if (!wedged) continue;
    log_.error("pipeline is stuck: " + *wedged);
    _exit(static_cast<int>(Exit::wedged));
  }
}

} // namespace sightline::app
