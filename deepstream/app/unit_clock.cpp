#include "unit_clock.h"

#include <algorithm>

namespace sightline::app {
namespace {

/** Units that may wait for a frame: what a decoder holds, and what waits to be decoded. */
constexpr std::size_t waiting_units = 512;
/** Units further ahead of what was sent or shown last, or so far back, wait for their frame: it may be a new time line. */
constexpr std::int64_t leap_ahead_ns = 2'000'000'000;
constexpr std::int64_t leap_back_ns = 500'000'000;
/** The codecs allow no more (H.264 max_num_reorder_frames, H.265 sps_max_num_reorder_pics). */
constexpr std::size_t reorder_most = 16;

} // namespace

std::int64_t to_pts_90k(std::int64_t ns) {
  constexpr std::int64_t denominator = 100'000;
  // 90 000 / 1 000 000 000 in lowest terms is 9 / 100 000; the whole part is taken out, so that nothing overflows.
  const std::int64_t whole = ns / denominator;
  const std::int64_t rest = (ns % denominator) * 9;
  const std::int64_t half = denominator / 2;
  return whole * 9 + (rest >= 0 ? rest + half : rest - half) / denominator;
}

bool UnitClock::may_leave(const ArrivedUnit &unit) const {
  if (!anchor_ || !unit.pts) return false;
  const auto latest = std::max(highest_, anchor_->pts);
  return *unit.pts > latest - leap_back_ns && *unit.pts <= latest + leap_ahead_ns;
}

/** Decoding times where a source gives none: the n-th unit is decoded when the n-th picture, `reorder_` earlier, is shown. */
std::optional<std::int64_t> UnitClock::decode_time(std::int64_t pts, std::optional<std::int64_t> dts) {
  std::int64_t time = 0;
  if (dts) {
    time = *dts;
  } else {
    held_.insert(pts);
    time = *held_.begin();
    if (held_.size() > reorder_) {
      held_.erase(held_.begin());
    } else {
      time -= static_cast<std::int64_t>(reorder_ + 1 - held_.size());
    }
  }
  time = std::min(time, pts);
  if (last_dts_ && time <= *last_dts_) time = *last_dts_ + 1;
  if (time > pts) {
    // Shown before what was sent before it: more is reordered than was known.
    if (!dts) reorder_ = std::min(reorder_most, reorder_ + 1);
    return std::nullopt;
  }
  last_dts_ = time;
  return time;
}

/** The first `sure` units, and those behind them of which nothing else is to be expected. */
void UnitClock::take(std::size_t sure, std::vector<ClockedUnit> &taken) {
  for (std::size_t at = 0; !waiting_.empty(); at += 1) {
    if (at >= sure && !may_leave(waiting_.front())) return;
    ArrivedUnit unit = std::move(waiting_.front());
    waiting_.pop_front();
    if (!unit.pts) {
      dropped_ += 1;
      continue;
    }
    const auto pts = to_pts_90k(*unit.pts);
    const auto dts = decode_time(pts, unit.dts ? std::optional(to_pts_90k(*unit.dts)) : std::nullopt);
    if (!dts) {
      dropped_ += 1;
      continue;
    }
    highest_ = std::max(highest_, *unit.pts);
    const auto camera_time_us = anchor_->camera_time_us + (*unit.pts - anchor_->pts) / 1000;
    taken.push_back({anchor_->generation, pts, *dts, camera_time_us, unit.key, unit.received_mono_us, std::move(unit.data)});
  }
}

std::vector<ClockedUnit> UnitClock::push(ArrivedUnit unit) {
  waiting_.push_back(std::move(unit));
  if (waiting_.size() > waiting_units) {
    waiting_.pop_front();
    dropped_ += 1;
  }
  std::vector<ClockedUnit> taken;
  if (waiting_.size() == 1) take(0, taken);
  return taken;
}

std::vector<ClockedUnit> UnitClock::shown(const ShownFrame &frame) {
  const bool begins = !anchor_ || anchor_->generation != frame.generation;
  anchor_ = frame;
  const auto own = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto &unit) { return unit.pts == frame.pts; });
  std::size_t sure = own == waiting_.end() ? 0 : static_cast<std::size_t>(own - waiting_.begin()) + 1;
  if (begins) {
    highest_ = frame.pts;
    held_.clear();
    last_dts_.reset();
    // What came before the first unit of a new time line belongs to the old one, which is over.
    while (sure > 1) {
      waiting_.pop_front();
      dropped_ += 1;
      sure -= 1;
    }
  }
  std::vector<ClockedUnit> taken;
  take(sure, taken);
  return taken;
}

} // namespace sightline::app
