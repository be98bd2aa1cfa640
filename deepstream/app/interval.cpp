#include "interval.h"

#include <algorithm>
#include <cmath>

namespace sightline::app {
namespace {

/** Frame rates are measured: 24.9 of 25 frames a second are 25. */
constexpr double tolerance = 0.02;
/** Looks of one second are few: 5 may be 4 in one and 6 in the next. */
constexpr double too_seldom = 0.75;
/** What a source gives while it begins or ends says nothing. */
constexpr double least_frames = 1;
constexpr unsigned most_skipped = 240;
/** Media time by which frame rates are judged. */
constexpr double least_seconds = 1;

} // namespace

std::optional<Looks> LookMeter::take(const Camera &camera) {
  const std::uint64_t frames = camera.frames_seen + camera.frames_dropped;
  const std::uint64_t detected = camera.frames_detected;
  const double media_ms = camera.media_ms;
  const double seconds = (media_ms - media_ms_) / 1000;
  if (seconds < least_seconds) return std::nullopt;
  // Of so many frames one more than there are steps between them has come where it begins.
  const auto first = frames_ == 0 ? 1 : 0;
  const Looks looks{static_cast<double>(frames - frames_ - first) / seconds,
                    static_cast<double>(detected - detected_) / seconds};
  frames_ = frames;
  detected_ = detected;
  media_ms_ = media_ms;
  return looks;
}

std::optional<unsigned> next_interval(unsigned current, double fps, const std::vector<Looks> &sources) {
  std::optional<double> slowest;
  bool starved = false;
  for (const auto &source : sources) {
    if (source.frames_per_second < least_frames) continue;
    slowest = std::min(slowest.value_or(source.frames_per_second), source.frames_per_second);
    starved = starved || source.looks_per_second < too_seldom * std::min(fps, source.frames_per_second);
  }
  if (!slowest) return std::nullopt;
  const double batches = std::floor(*slowest * (1 + tolerance) / fps);
  const auto wanted = static_cast<unsigned>(std::clamp(batches - 1, 0.0, static_cast<double>(most_skipped)));
  if (starved && wanted >= current) return current == 0 ? 0 : current - 1;
  return wanted;
}

} // namespace sightline::app
