#include "watchdog.h"

#include <algorithm>
#include <unistd.h>

#include "clocks.h"

namespace sightline::app {
namespace {

constexpr auto look_every = std::chrono::milliseconds(100);

std::string seconds(int ms) {
  return std::to_string(ms / 1000) + " s";
}

} // namespace

bool is_pending(const std::vector<Passage> &sources) {
  std::int64_t through_us = 0;
  for (const auto &source : sources) through_us = std::max(through_us, source.through_us);
  return std::any_of(sources.begin(), sources.end(), [&](const Passage &source) { return source.delivered_us > through_us; });
}

int WedgeRule::limit_ms(const Pulse &pulse) const {
  // The first batch waits for all that is loaded with it; what it took tells nothing of one with more cameras.
  if (pulse.batch_us == 0 || pulse.growing) return limits_.start_ms;
  const auto slow_ms = static_cast<int>(std::min<std::int64_t>(3 * slow_us_ / 1000, limits_.start_ms));
  return std::max(limits_.batch_ms, slow_ms);
}

std::optional<std::string> WedgeRule::look(const Pulse &pulse, std::int64_t now_us) {
  if (pulse.started_us == 0) return std::nullopt;
  if (!pulse.playing) {
    if (now_us - pulse.started_us > limits_.start_ms * std::int64_t{1000})
      return "the pipeline has not started within " + seconds(limits_.start_ms);
    return std::nullopt;
  }
  if (now_us - pulse.beat_us > limits_.batch_ms * std::int64_t{1000})
    return "a change of the pipeline's state has not ended within " + seconds(limits_.batch_ms);
  if (pulse.batch_us != batch_us_ || !pulse.pending) {
    const auto took_us = pending_since_us_ == 0 ? 0 : now_us - pending_since_us_;
    if (pulse.batch_us != batch_us_) slow_us_ = std::max(took_us, slow_us_ / 8 * 7);
    batch_us_ = pulse.batch_us;
    pending_since_us_ = 0;
    return std::nullopt;
  }
  if (pending_since_us_ == 0) pending_since_us_ = now_us;
  const int limit = limit_ms(pulse);
  if (now_us - pending_since_us_ <= limit * std::int64_t{1000}) return std::nullopt;
  return "no batch for " + seconds(limit) + " while sources deliver";
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

void Watchdog::end_within(int ms, Exit code) {
  const std::lock_guard lock(mutex_);
  if (end_at_us_ != 0) return;
  end_at_us_ = mono_us() + ms * std::int64_t{1000};
  code_ = code;
}

void Watchdog::run(const std::function<Pulse()> &pulse) {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, look_every, [&] { return closed_; })) {
    if (end_at_us_ != 0) {
      if (mono_us() >= end_at_us_) _exit(static_cast<int>(code_));
      continue;
    }
    const auto wedged = rule_.look(pulse(), mono_us());
    if (!wedged) continue;
    log_.error("pipeline is stuck: " + *wedged);
    _exit(static_cast<int>(Exit::wedged));
  }
}

} // namespace sightline::app
