#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "frame_record.h"
#include "wakeup.h"

namespace sightline::app {

/**
 * Frames on their way from the probe to the bridge's thread. It never waits: beyond `limit_bytes` the oldest go, and are
 * counted. Its lock is held for moving pointers and no longer, by either side.
 */
class Outbox {
public:
  Outbox(std::size_t limit_bytes, std::size_t cameras) : limit_bytes_(limit_bytes), dropped_(cameras) {}

  /** The frames of one batch. */
  void push(std::vector<FrameRecord> records);
  /** The oldest frames, until they take `bytes` or more. */
  std::vector<FrameRecord> take(std::size_t bytes);
  /** A frame of the camera was lost on its way, here or on the socket. */
  void count_dropped(std::size_t camera) { dropped_[camera].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t dropped(std::size_t camera) const { return dropped_[camera].load(std::memory_order_relaxed); }
  Wakeup &wakeup() { return wakeup_; }

private:
  std::mutex mutex_;
  std::deque<FrameRecord> records_;
  std::size_t bytes_ = 0;
  const std::size_t limit_bytes_;
  std::vector<std::atomic<std::uint64_t>> dropped_;
  Wakeup wakeup_;
};

/** Whether a file at full speed may give more frames: the threads of its source wait here, and nowhere else does anything wait.
 */
class Room {
public:
  void set(bool roomy);
  /** Until there is room, or it was closed. */
  void wait();
  void close();

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool roomy_ = true;
  bool closed_ = false;
};

} // namespace sightline::app
