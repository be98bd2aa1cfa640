#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

namespace sightline::app {

/** A batch, as it is known before the detectors and behind the tracker: by its first picture. */
struct BatchKey {
  unsigned source_id;
  std::uint64_t buf_pts;
  bool operator==(const BatchKey &other) const { return source_id == other.source_id && buf_pts == other.buf_pts; }
};

/**
 * Which batches of live pictures go to the detectors: one that would wait there for longer than half a second is left out,
 * since the next is worth more. How long it would is told by the pace at which batches have come through; each detector has one
 * to work on all the same. The lock is held for the look alone.
 */
class DetectorGate {
public:
  explicit DetectorGate(std::size_t detectors) : detectors_(detectors) {}

  /** `interval` is the detectors'. False: it is left out. */
  bool enter(const BatchKey &batch, unsigned interval, std::int64_t now_us);
  /**
   * It has come through; what went in before it and has not is gone. One that nobody knows is the first that is inside, as its
   * pictures are others behind the detectors: the gate would stay closed for good.
   */
  void leave(const BatchKey &batch, std::int64_t now_us);
  /** Whether one is on its way. */
  bool busy() const;

private:
  struct Inside {
    BatchKey batch;
    std::int64_t entered_us;
  };
  const std::size_t detectors_;
  mutable std::mutex mutex_;
  std::deque<Inside> inside_;
  /** Between two that come through while there is work, smoothed. */
  double pace_us_ = 0;
  std::int64_t left_us_ = 0;
};

} // namespace sightline::app
