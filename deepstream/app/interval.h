#pragma once

#include <optional>
#include <vector>

namespace sightline::app {

/** Of one source, in the last while. */
struct Looks {
  double frames_per_second;
  double looks_per_second;
};

/**
 * nvinferserver's `interval` (batches left out after each one that is looked at), so that every source is looked at `fps` times
 * a second of its own time. The slowest source counts; one that is looked at too seldom all the same, as its frames come in
 * other batches than others', makes it smaller by one. Absent while there is nothing to go by. Pure.
 */
std::optional<unsigned> next_interval(unsigned current, double fps, const std::vector<Looks> &sources);

} // namespace sightline::app
