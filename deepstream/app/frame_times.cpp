#include "frame_times.h"

#include <algorithm>
#include <cmath>

namespace sightline::app {
namespace {

/** Camera clocks further off than this are not believed (design section 2). */
constexpr double believed_within_us = 2'000'000;
/** A step back by less is a hiccup of the sender and keeps the epoch. */
constexpr std::int64_t hiccup_ns = 500'000'000;
/** A live source whose time stamps leap forward by more than this beyond the time that passed has begun a new time line. */
constexpr std::int64_t leap_ns = 10'000'000'000;
/** Weight of one frame in the smoothed difference between arrival and media time. */
constexpr double smoothing = 0.05;

} // namespace

bool FrameTimes::restarted(const FrameArrival &arrival) const {
  const auto ahead = arrival.pts - last_given_;
  const auto passed = std::max<std::int64_t>(0, arrival.received_mono_us - last_mono_us_) * 1000;
  return ahead < -hiccup_ns || (live_ && ahead - passed > leap_ns);
}

FrameClock FrameTimes::next(const FrameArrival &arrival) {
  const bool begins = !first_ || restarted(arrival);
  if (begins) {
    first_ = arrival.pts;
    last_ = arrival.pts;
    offset_us_.reset();
    opened_us_ = live_ || last_camera_us_ == 0 ? static_cast<double>(arrival.wall_us) : last_camera_us_;
  } else {
    last_ = std::max(arrival.pts, last_ + 1);
  }
  last_given_ = arrival.pts;
  last_mono_us_ = arrival.received_mono_us;
  const double media_us = static_cast<double>(last_ - *first_) / 1000;
  FrameClock clock{last_, media_us / 1000, 0, false, begins};
  if (!live_) {
    last_camera_us_ = opened_us_ + media_us;
    clock.camera_time_us = std::llround(last_camera_us_);
    return clock;
  }
  // A wall clock that was set, or a stall, moves the difference at once; jitter only by a little.
  const double arrived = static_cast<double>(arrival.wall_us) - media_us;
  if (!offset_us_ || std::abs(arrived - *offset_us_) > believed_within_us) {
    offset_us_ = arrived;
  } else {
    *offset_us_ += (arrived - *offset_us_) * smoothing;
  }
  double camera_us = *offset_us_ + media_us;
  if (arrival.ntp_us != 0 && std::abs(static_cast<double>(arrival.ntp_us - arrival.wall_us)) <= believed_within_us) {
    clock.rtcp = true;
    camera_us = static_cast<double>(arrival.ntp_us);
  }
  // Only small steps back are ironed out: after the wall clock was set, its new time counts.
  if (camera_us <= last_camera_us_ && last_camera_us_ - camera_us < believed_within_us) camera_us = last_camera_us_ + 1;
  last_camera_us_ = camera_us;
  clock.camera_time_us = std::llround(camera_us);
  return clock;
}

} // namespace sightline::app
