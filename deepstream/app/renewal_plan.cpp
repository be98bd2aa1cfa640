#include "renewal_plan.h"

#include <utility>

namespace sightline::app {
namespace {

constexpr std::int64_t reopen_after_us = reopen_after_ms * std::int64_t{1000};
/** Longer than rtspsrc waits for a camera that does not answer. */
constexpr std::int64_t leaves_within_us = 60'000'000;

} // namespace

RenewalPlan::RenewalPlan(unsigned interval_s, std::size_t cameras) : bins_(cameras, Bin{RenewalRule(interval_s, cameras)}) {}

RenewalPlan::Step RenewalPlan::next(const std::vector<SourceSight> &cameras, std::int64_t now_us) {
  const Step opened = open(now_us);
  if (opened.act != Act::none) return opened;
  const Step wanted = waiting(cameras, now_us);
  if (wanted.act == Act::fail) return wanted;
  if (leaving_.act == Act::none) {
    leaving_ = wanted;
    leaving_since_us_ = now_us;
    told_ = false;
    return wanted;
  }
  if (now_us - leaving_since_us_ <= leaves_within_us) return {};
  if (!std::exchange(told_, true)) return {Act::hangs, leaving_.camera, leaving_.why};
  if (wanted.act == Act::none && bins_.size() > 1) return {};
  return {Act::end, leaving_.camera, leaving_.why};
}

RenewalPlan::Step RenewalPlan::open(std::int64_t now_us) {
  for (std::size_t i = 0; i < bins_.size(); i += 1) {
    Bin &bin = bins_[i];
    if (!bin.down || (bin.failed_us != 0 && now_us - bin.failed_us < reopen_after_us)) continue;
    bin.down = false;
    bin.failed_us = 0;
    return {Act::open, i};
  }
  return {};
}

RenewalPlan::Step RenewalPlan::waiting(const std::vector<SourceSight> &cameras, std::int64_t now_us) {
  Step first;
  for (std::size_t i = 0; i < bins_.size(); i += 1) {
    Bin &bin = bins_[i];
    const SourceSight &seen = cameras[i];
    if (bin.down || (leaving_.act != Act::none && leaving_.camera == i)) continue;
    // At once it would go round and round.
    const bool is_empty = seen.round_over && seen.pulse.picture_us <= seen.pulse.opened_us;
    if (is_empty && bin.failed_us == 0) return {Act::fail, i};
    const bool is_silent = seen.live && bin.rule.due(seen.pulse, now_us);
    if (first.act != Act::none || (bin.failed_us == 0 && !seen.round_over && !is_silent)) continue;
    first = {Act::take_down, i, bin.failed_us != 0 ? Why::failed : seen.round_over ? Why::round_over : Why::silent};
  }
  return first;
}

bool RenewalPlan::failed(std::size_t camera, std::int64_t now_us) {
  Bin &bin = bins_[camera];
  if (bin.failed_us != 0) return false;
  bin.failed_us = now_us;
  return true;
}

RenewalPlan::Step RenewalPlan::taken_down(std::int64_t now_us) {
  const Step gone = std::exchange(leaving_, {});
  Bin &bin = bins_[gone.camera];
  bin.down = true;
  if (gone.why == Why::silent) bin.rule.renewed(now_us);
  return gone;
}

} // namespace sightline::app
