#include "detector_gate.h"

#include <algorithm>

namespace sightline::app {
namespace {

/** Of the second that a live picture may be late: the other half is for decoding it and for the look itself. */
constexpr double most_wait_us = 500'000;
/** Weight of one batch in the pace. */
constexpr double pace_weight = 0.2;

} // namespace

bool DetectorGate::enter(const BatchKey &batch, unsigned interval, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (inside_.size() >= detectors_) {
    // Those behind the one that is worked on may take as long as it has so far; between two looks there is none to take any.
    const auto working_us = static_cast<double>(now_us - std::max(left_us_, inside_.front().entered_us));
    const double each_us = std::max(pace_us_, working_us / (interval + 1));
    if (std::max(working_us, static_cast<double>(inside_.size()) * each_us) > most_wait_us) return false;
  }
  inside_.push_back({batch, now_us});
  return true;
}

void DetectorGate::leave(const BatchKey &batch, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (inside_.empty()) return;
  auto found = std::find_if(inside_.begin(), inside_.end(), [&](const Inside &one) { return one.batch == batch; });
  if (found == inside_.end()) found = inside_.begin();
  const auto took_us = static_cast<double>(now_us - std::max(left_us_, found->entered_us));
  pace_us_ += (took_us - pace_us_) * pace_weight;
  left_us_ = now_us;
  inside_.erase(inside_.begin(), found + 1);
}

bool DetectorGate::busy() const {
  const std::lock_guard lock(mutex_);
  return !inside_.empty();
}

} // namespace sightline::app
