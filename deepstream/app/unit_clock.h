#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sightline::app {

/** 90 kHz, rounded to the nearest and halves away from zero: core/media-time.ts toPts90k of a time in nanoseconds. */
std::int64_t to_pts_90k(std::int64_t ns);

struct ArrivedUnit {
  /** Nanoseconds; absent where the source gave none. */
  std::optional<std::int64_t> pts;
  std::optional<std::int64_t> dts;
  bool key;
  std::int64_t received_mono_us;
  /** Annex B. */
  std::string data;
};

/** A frame that was decoded and has its time. */
struct ShownFrame {
  std::uint32_t generation;
  std::int64_t pts;
  std::int64_t camera_time_us;
};

struct ClockedUnit {
  std::uint32_t generation;
  /** 90 kHz. */
  std::int64_t pts;
  /** 90 kHz; never above `pts`, and rising from unit to unit within a generation. */
  std::int64_t dts;
  /** As far from the latest frame's as the time stamps are. */
  std::int64_t camera_time_us;
  bool key;
  std::int64_t received_mono_us;
  std::string data;
};

/**
 * Puts encoded units on the clock of the decoded frames, after src/software-worker/unit-clock.ts: units leave at once while
 * their time stamps go on from the frames', and wait for their frame at the begin of an epoch or around a leap. Pure.
 */
class UnitClock {
public:
  /** In decoding order. Returns those that may leave, in the same order. */
  std::vector<ClockedUnit> push(ArrivedUnit unit);
  std::vector<ClockedUnit> shown(const ShownFrame &frame);
  /** Units so far that have no place on the clock: never decoded, without time, out of order. */
  std::uint64_t dropped() const { return dropped_; }

private:
  bool may_leave(const ArrivedUnit &unit) const;
  void take(std::size_t sure, std::vector<ClockedUnit> &taken);
  std::optional<std::int64_t> decode_time(std::int64_t pts, std::optional<std::int64_t> dts);

  std::deque<ArrivedUnit> waiting_;
  std::optional<ShownFrame> anchor_;
  std::int64_t highest_ = 0;
  std::size_t reorder_ = 0;
  std::multiset<std::int64_t> held_;
  std::optional<std::int64_t> last_dts_;
  std::uint64_t dropped_ = 0;
};

} // namespace sightline::app
