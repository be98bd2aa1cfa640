#include "stream_meter.h"

#include <algorithm>

namespace sightline::app {
namespace {

/** A unit further from the latest than this begins a new time line, which is put at the end of the old one. */
constexpr double most_back_ms = 2000;
constexpr double most_ahead_ms = 10'000;
/** A depth of reordering counts when it was seen this often: one hiccup of a sender is no B-frame. */
constexpr std::uint64_t least_seen = 3;
constexpr double assumed_fps = 25;

} // namespace

double StreamMeter::step_ms() const {
  return 1000 / (declared_fps_ > 0 ? declared_fps_ : assumed_fps);
}

double StreamMeter::placed(std::optional<double> pts_ms) {
  if (units_ == 0) {
    first_ms_ = latest_ms_ = pts_ms.value_or(0);
    return first_ms_;
  }
  if (!pts_ms) return latest_ms_ + step_ms();
  const double away = *pts_ms + shift_ms_ - latest_ms_;
  if (away < -most_back_ms || away > most_ahead_ms) {
    shift_ms_ = latest_ms_ + step_ms() - *pts_ms;
    recent_.clear();
  }
  return *pts_ms + shift_ms_;
}

void StreamMeter::add(std::optional<double> pts_ms, std::size_t bytes, bool key) {
  const double at_ms = placed(pts_ms);
  units_ += 1;
  bytes_ += bytes;
  const auto depth = std::count_if(recent_.begin(), recent_.end(), [at_ms](double before) { return before > at_ms; });
  depths_[static_cast<std::size_t>(depth)] += 1;
  recent_.push_back(at_ms);
  if (recent_.size() > order_window) recent_.pop_front();
  latest_ms_ = std::max(latest_ms_, at_ms);
  if (!key) return;
  if (key_frames_ == 0)
    first_key_ms_ = at_ms;
  else
    longest_key_ms_ = std::max(longest_key_ms_, at_ms - latest_key_ms_);
  key_frames_ += 1;
  latest_key_ms_ = at_ms;
}

StreamFacts StreamMeter::facts() const {
  StreamFacts facts;
  facts.units = units_;
  facts.bytes = bytes_;
  facts.key_frames = key_frames_;
  facts.media_ms = latest_ms_ - first_ms_;
  facts.key_span_ms = latest_key_ms_ - first_key_ms_;
  facts.longest_key_interval_ms = std::max(longest_key_ms_, latest_ms_ - (key_frames_ == 0 ? first_ms_ : latest_key_ms_));
  for (std::size_t depth = 1; depth < depths_.size(); depth += 1)
    if (depths_[depth] >= least_seen) facts.reorder_units = static_cast<std::uint32_t>(depth);
  facts.declared_fps = declared_fps_;
  return facts;
}

} // namespace sightline::app
