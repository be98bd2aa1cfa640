#include "frame_times.h"

#include <algorithm>
#include <cmath>

namespace sightline::app {
namespace {

/** Camera clocks further off than this are not believed (design section 2). */
constexpr double believedWithinUs = 2'000'000;
/** A step back by less is a hiccup of the sender and keeps the epoch. */
constexpr std::int64_t hiccupNs = 500'000'000;
/** A live source whose time stamps leap forward by more than this beyond the time that passed has begun a new time line. */
constexpr std::int64_t leapNs = 10'000'000'000;
/** Weight of one frame in the smoothed difference between arrival and media time. */
constexpr double smoothing = 0.05;

} // namespace

bool FrameTimes::restarted(const FrameArrival &arrival) const {
  const auto ahead = arrival.pts - lastGiven_;
  const auto passed = std::max<std::int64_t>(0, arrival.receivedMonoUs - lastMonoUs_) * 1000;
  return ahead < -hiccupNs || (live_ && ahead - passed > leapNs);
}

FrameClock FrameTimes::next(const FrameArrival &arrival) {
  const bool begins = !first_ || restarted(arrival);
  if (begins) {
    first_ = arrival.pts;
    last_ = arrival.pts;
    offsetUs_.reset();
    openedUs_ = live_ || lastCameraUs_ == 0 ? static_cast<double>(arrival.wallUs) : lastCameraUs_;
  } else {
    last_ = std::max(arrival.pts, last_ + 1);
  }
  lastGiven_ = arrival.pts;
  lastMonoUs_ = arrival.receivedMonoUs;
  const double mediaUs = static_cast<double>(last_ - *first_) / 1000;
  FrameClock clock{last_, mediaUs / 1000, 0, false, begins};
  if (!live_) {
    lastCameraUs_ = openedUs_ + mediaUs;
    clock.cameraTimeUs = std::llround(lastCameraUs_);
    return clock;
  }
  // A wall clock that was set, or a stall, moves the difference at once; jitter only by a little.
  const double arrived = static_cast<double>(arrival.wallUs) - mediaUs;
  if (!offsetUs_ || std::abs(arrived - *offsetUs_) > believedWithinUs) {
    offsetUs_ = arrived;
  } else {
    *offsetUs_ += (arrived - *offsetUs_) * smoothing;
  }
  double cameraUs = *offsetUs_ + mediaUs;
  if (arrival.ntpUs != 0 && std::abs(static_cast<double>(arrival.ntpUs - arrival.wallUs)) <= believedWithinUs) {
    clock.rtcp = true;
    cameraUs = static_cast<double>(arrival.ntpUs);
  }
  // Only small steps back are ironed out: after the wall clock was set, its new time counts.
  if (cameraUs <= lastCameraUs_ && lastCameraUs_ - cameraUs < believedWithinUs) cameraUs = lastCameraUs_ + 1;
  lastCameraUs_ = cameraUs;
  clock.cameraTimeUs = std::llround(cameraUs);
  return clock;
}

} // namespace sightline::app
