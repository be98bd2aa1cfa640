#pragma once

#include <cstdint>
#include <ctime>

namespace sightline::app {

/** CLOCK_MONOTONIC: one clock for all processes of a host. */
inline std::int64_t mono_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000} + now.tv_nsec / 1000;
}

inline std::int64_t wall_us() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * std::int64_t{1'000'000} + now.tv_nsec / 1000;
}

} // namespace sightline::app
