#pragma once

#include <algorithm>
#include <cstdint>

namespace sightline::app {

/** Delays between attempts to connect: 0.1 s, doubling to 2 s. */
class Backoff {
public:
  std::int64_t next_us() {
    const auto delay = delay_us_;
    delay_us_ = std::min<std::int64_t>(2'000'000, delay_us_ * 2);
    return delay;
  }
  void reset() { delay_us_ = first_us; }

private:
  static constexpr std::int64_t first_us = 100'000;
  std::int64_t delay_us_ = first_us;
};

} // namespace sightline::app
