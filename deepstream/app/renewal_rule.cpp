#include "renewal_rule.h"

#include <algorithm>

namespace sightline::app {
namespace {

constexpr std::int64_t second_us = 1'000'000;
/** nvurisrcbin has one reset in so many seconds, all bins together. */
constexpr std::int64_t resets_apart_s = 3;
/** Intervals without a picture: of a bin that does nothing about it, and of one that does, in vain. */
constexpr std::int64_t still_intervals = 3;
constexpr std::int64_t silent_intervals = 60;
/** Each renewal that did not help lets the next wait twice as long, so many times. */
constexpr unsigned most_doublings = 5;

} // namespace

RenewalRule::RenewalRule(unsigned interval_s, std::size_t cameras)
    : still_us_((still_intervals * interval_s + resets_apart_s * static_cast<std::int64_t>(cameras)) * second_us),
      silent_us_((silent_intervals * interval_s + resets_apart_s * static_cast<std::int64_t>(cameras)) * second_us) {}

bool RenewalRule::due(const SourcePulse &pulse, std::int64_t now_us) {
  if (pulse.picture_us > renewed_us_) in_vain_ = 0;
  const auto silent_since_us = std::max({pulse.opened_us, pulse.picture_us, renewed_us_});
  const auto still_since_us = std::max(silent_since_us, pulse.tried_us);
  const auto times = std::int64_t{1} << std::min(in_vain_, most_doublings);
  return now_us - still_since_us > times * still_us_ || now_us - silent_since_us > times * silent_us_;
}

void RenewalRule::renewed(std::int64_t now_us) {
  renewed_us_ = now_us;
  in_vain_ += 1;
}

} // namespace sightline::app
