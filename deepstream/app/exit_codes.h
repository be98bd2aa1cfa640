#pragma once

namespace sightline::app {

/** docs/decisions/deepstream-container.md; the numbers above 63 are those of sysexits.h. */
enum class Exit : int { done = 0, unavailable = 69, software = 70, wedged = 71, other_cameras = 75, settings = 78 };

} // namespace sightline::app
