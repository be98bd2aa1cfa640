#pragma once

#include <algorithm>
#include <cstdint>

namespace sightline::app {

/** Delays between attempts to connect: 0.1 s, doubling to 2 s. */
class Backoff {
public:
  std::int64_t nextUs() {
    const auto delay = delayUs_;
    delayUs_ = std::min<std::int64_t>(2'000'000, delayUs_ * 2);
    return delay;
  }
  void reset() { delayUs_ = firstUs; }

private:
  static constexpr std::int64_t firstUs = 100'000;
  std::int64_t delayUs_ = firstUs;
};

} // namespace sightline::app
