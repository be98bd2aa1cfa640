#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

namespace sightline::app {

/** What has arrived of a source since it was opened, before decoding. */
struct StreamFacts {
  std::uint64_t units = 0;
  std::uint64_t bytes = 0;
  std::uint64_t key_frames = 0;
  double media_ms = 0;
  double key_span_ms = 0;
  double longest_key_interval_ms = 0;
  std::uint32_t reorder_units = 0;
  /** 0: nobody said. */
  double declared_fps = 0;
};

/** Measures the encoded units of a source: how much, how often a key frame, in what order. As
 * src/software-worker/stream-meter.ts. Pure. */
class StreamMeter {
public:
  /** `pts_ms` is absent where the source gave none. */
  void add(std::optional<double> pts_ms, std::size_t bytes, bool key);
  void declare(double fps) { declared_fps_ = fps; }
  StreamFacts facts() const;

private:
  /** Units looked back at for their order; the codecs allow no more (H.264 max_num_reorder_frames, H.265
   * sps_max_num_reorder_pics). */
  static constexpr std::size_t order_window = 16;

  double step_ms() const;
  double placed(std::optional<double> pts_ms);

  double declared_fps_ = 0;
  std::uint64_t units_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t key_frames_ = 0;
  double shift_ms_ = 0;
  double first_ms_ = 0;
  double latest_ms_ = 0;
  double first_key_ms_ = 0;
  double latest_key_ms_ = 0;
  double longest_key_ms_ = 0;
  std::deque<double> recent_;
  /** How often a unit was so many behind. */
  std::array<std::uint64_t, order_window + 1> depths_{};
};

} // namespace sightline::app
