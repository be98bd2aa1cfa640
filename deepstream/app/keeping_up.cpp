#include "keeping_up.h"

#include <algorithm>
#include <cmath>

namespace sightline::app {
namespace {

/** Judged over at least so long and so many frames: neither a machine that is busy for a moment nor a single frame is news. */
constexpr std::int64_t late_after_us = 10'000'000;
constexpr double late_after_frames = 20;
/** Nothing is judged by what is older. */
constexpr std::int64_t memory_us = 600'000'000;
/** A late camera is news again when its rate over this time has changed by this share and by so many frames. */
constexpr std::int64_t news_after_us = 60'000'000;
constexpr double news_share = 0.25;
constexpr double news_frames = 8;

} // namespace

/** What happened up to now in the shortest time that is long enough. */
std::optional<KeepingUp::Span> KeepingUp::since(std::int64_t least_us, double least_frames) const {
  const Sample &last = samples_.back();
  for (auto first = samples_.rbegin(); first != samples_.rend(); ++first) {
    if (last.at_us - first->at_us < least_us) continue;
    const double done = last.work.done - first->work.done;
    const double due = last.work.due - first->work.due;
    const double missed = std::min(std::max(0.0, due - done), last.work.passed_over - first->work.passed_over);
    if (done + missed < least_frames) continue;
    return Span{static_cast<double>(last.at_us - first->at_us) / 1e6, done, missed};
  }
  return std::nullopt;
}

PaceVerdict KeepingUp::say_late(const Span &span, std::int64_t now_us) {
  told_ = Told{span.done / span.seconds, now_us};
  return {true, told_->fps, (span.done + span.missed) / span.seconds};
}

std::optional<PaceVerdict> KeepingUp::add(const WorkDone &totals, std::int64_t now_us) {
  samples_.push_back({totals, now_us});
  while (now_us - samples_.front().at_us > memory_us) samples_.pop_front();
  if (!told_) {
    const auto span = since(late_after_us, late_after_frames);
    if (!span || span->missed_share() <= limits_.late_from) return std::nullopt;
    return say_late(*span, now_us);
  }
  const auto lately = since(limits_.well_after_us, late_after_frames);
  if (lately && lately->missed_share() <= limits_.well_up_to) {
    told_.reset();
    return PaceVerdict{};
  }
  if (now_us - told_->at_us < news_after_us) return std::nullopt;
  const auto minute = since(news_after_us, 0);
  if (!minute || minute->done + minute->missed == 0) return std::nullopt;
  const double expected = told_->fps * minute->seconds;
  const double change = std::abs(minute->done - expected);
  if (change <= news_share * expected || change < news_frames) return std::nullopt;
  return say_late(*minute, now_us);
}

void KeepingUp::reset() {
  samples_.clear();
  told_.reset();
}

} // namespace sightline::app
