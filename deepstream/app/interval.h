#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "camera.h"

namespace sightline::app {

/** Of one source, in the last while. */
struct Looks {
  /** All that it gave, also what was left out because the detectors had too many looks: fewer would leave time for it. */
  double frames_per_second;
  double looks_per_second;
};

/** How often a source gives frames and is looked at, by its own time: a file may come faster or slower than it was taken. */
class LookMeter {
public:
  /** Since it was last asked; absent, and nothing forgotten, while that is too short to tell. */
  std::optional<Looks> take(const Camera &camera);

private:
  std::uint64_t frames_ = 0;
  std::uint64_t detected_ = 0;
  double media_ms_ = 0;
};

/**
 * nvinferserver's `interval` (batches left out after each one that is looked at), so that every source is looked at `fps` times
 * a second of its own time. The slowest source counts; one that is looked at too seldom all the same, as its frames come in
 * other batches than others', makes it smaller by one. Absent while there is nothing to go by. Pure.
 */
std::optional<unsigned> next_interval(unsigned current, double fps, const std::vector<Looks> &sources);

} // namespace sightline::app
