#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "commands.h"

namespace sightline::app {

/** nvurisrcbin opens a camera again after so many seconds without a picture. */
constexpr unsigned reconnect_seconds = 5;

/** When frames or units came past a place, by time stamp: written by one thread, read by those behind. */
class Arrivals {
public:
  void add(std::int64_t pts, std::int64_t mono_us) {
    const std::lock_guard lock(mutex_);
    known_.push_back({pts, mono_us});
    if (known_.size() > most) known_.pop_front();
  }
  /** Forgets that one alone. Absent where none has the time stamp. */
  std::optional<std::int64_t> take_out(std::int64_t pts) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(known_.begin(), known_.end(), [&](const Arrival &one) { return one.pts == pts; });
    if (found == known_.end()) return std::nullopt;
    const auto mono_us = found->mono_us;
    known_.erase(found);
    return mono_us;
  }
  /** Forgets those before it. Absent where none has the time stamp. */
  std::optional<std::int64_t> take(std::int64_t pts) {
    const std::lock_guard lock(mutex_);
    for (std::size_t at = 0; at < known_.size(); at += 1) {
      if (known_[at].pts != pts) continue;
      const auto found = known_[at].mono_us;
      known_.erase(known_.begin(), known_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
      return found;
    }
    return std::nullopt;
  }

private:
  struct Arrival {
    std::int64_t pts;
    std::int64_t mono_us;
  };
  static constexpr std::size_t most = 512;
  std::mutex mutex_;
  std::deque<Arrival> known_;
};

/** One camera while the program runs: what threads tell each other of it. Counters since the program began. */
struct Camera {
  Camera(std::size_t number, unsigned source, CameraConfig settings, bool is_live)
      : index(number), source_id(source), config(std::move(settings)), live(is_live) {}

  const std::size_t index;
  const unsigned source_id;
  const CameraConfig config;
  const bool live;

  Arrivals arrivals;
  /** Decoded frames that left the source, and when the latest did; before the multiplexer, which may keep them. */
  std::atomic<std::uint64_t> delivered = 0;
  std::atomic<std::int64_t> delivered_us = 0;
  /** When the latest frame that came through detectors and tracker had left the source. */
  std::atomic<std::int64_t> through_us = 0;
  /** Frames that came through detectors and tracker, when the latest did, and how many a detector looked at. */
  std::atomic<std::uint64_t> frames_seen = 0;
  std::atomic<std::int64_t> seen_us = 0;
  std::atomic<std::uint64_t> frames_detected = 0;
  /** When the latest frame that was left out before the detectors had left the source: its arrival. */
  std::atomic<std::int64_t> left_out_arrived_us = 0;
  /** Frames that were left out before the detectors, as those were behind, at the gate or by the queue before it: as they are
   * left out, also while nothing comes through; and those known once a later one has come through. */
  std::atomic<std::uint64_t> left_out = 0;
  std::atomic<std::uint64_t> frames_dropped = 0;
  /** Media time of those frames, all epochs together. */
  std::atomic<double> media_ms = 0;
  std::atomic<std::uint32_t> width = 0;
  std::atomic<std::uint32_t> height = 0;
  std::atomic<bool> sender_clock = false;
  /** The source has ended; of a camera it is away then. */
  std::atomic<bool> ended = false;
  /** It was away: the next frame begins an epoch. */
  std::atomic<bool> reopened = false;
  /** Encoded units that were not decoded, as the decoder was behind, and when the latest was not. */
  std::atomic<std::uint64_t> units_skipped = 0;
  std::atomic<std::int64_t> skipped_us = 0;
  /** Encoded units without a place on the clock. */
  std::atomic<std::uint64_t> units_dropped = 0;
  /** Crops that the encoder made, and those that it gave nothing for. */
  std::atomic<std::uint64_t> crops_cut = 0;
  std::atomic<std::uint64_t> crops_refused = 0;
  /** Objects beyond what a frame may have. */
  std::atomic<std::uint64_t> objects_left_out = 0;
  /** h264 or h265 once a parser has said. */
  std::atomic<const char *> codec = "";

  /**
   * A frame comes to the gate before the detectors, by the multiplexer's number; of one thread. Those inside keep their
   * arrivals, however many are left out behind them: without its own a frame that took long would count as one that has just
   * come.
   */
  void reach_gate(std::int64_t pts, int number, bool enters) {
    // The multiplexer may begin again.
    if (gate_number_ >= 0 && number > gate_number_ + 1)
      left_out.fetch_add(static_cast<std::uint64_t>(number - gate_number_ - 1), std::memory_order_relaxed);
    gate_number_ = number;
    if (enters) return;
    left_out.fetch_add(1, std::memory_order_relaxed);
    const auto arrived_us = arrivals.take_out(pts);
    if (arrived_us) left_out_arrived_us.store(*arrived_us, std::memory_order_relaxed);
  }
  std::uint64_t passed_over() const {
    return std::max(frames_dropped.load(std::memory_order_relaxed), left_out.load(std::memory_order_relaxed));
  }
  /** When its source was last seen to give pictures, whether they were decoded or not. */
  std::int64_t alive_us() const {
    return std::max(delivered_us.load(std::memory_order_relaxed), skipped_us.load(std::memory_order_relaxed));
  }

private:
  int gate_number_ = -1;
};

} // namespace sightline::app
