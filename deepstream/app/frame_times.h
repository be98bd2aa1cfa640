#pragma once

#include <cstdint>
#include <optional>

namespace sightline::app {

struct FrameArrival {
  /** Nanoseconds. */
  std::int64_t pts;
  std::int64_t received_mono_us;
  /** Wall clock of this process at arrival, microseconds since 1970. */
  std::int64_t wall_us;
  /** Wall clock of the capture by the sender's reports; 0: nobody said. */
  std::int64_t ntp_us;
};

struct FrameClock {
  /** Nanoseconds; grows within an epoch. */
  std::int64_t pts;
  /** Since the first frame of the epoch. */
  double media_ms;
  std::int64_t camera_time_us;
  /** The camera time is the sender's. */
  bool rtcp;
  /** A new time line begins with this frame: a new epoch is due. True for the first frame. */
  bool begins;
};

/**
 * The clocks of one source's frames, after src/software-worker/times.ts. Camera time is the sender's where it has reported and
 * its clock is within two seconds of ours, otherwise arrival, smoothed; it never runs backwards. Pure.
 */
class FrameTimes {
public:
  explicit FrameTimes(bool live) : live_(live) {}

  FrameClock next(const FrameArrival &arrival);
  /** The source was opened anew: the next frame begins an epoch. */
  void restart() { first_.reset(); }

private:
  bool restarted(const FrameArrival &arrival) const;

  bool live_;
  std::optional<std::int64_t> first_;
  std::int64_t last_ = 0;
  std::int64_t last_given_ = 0;
  std::int64_t last_mono_us_ = 0;
  std::optional<double> offset_us_;
  double last_camera_us_ = 0;
  double opened_us_ = 0;
};

} // namespace sightline::app
