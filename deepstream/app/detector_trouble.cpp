#include "detector_trouble.h"

namespace sightline::app {
namespace {

constexpr std::int64_t trouble_us = 5'000'000;

} // namespace

bool DetectorTrouble::look(std::uint64_t failures, std::int64_t now_us) {
  if (failures != failures_) until_us_ = now_us + trouble_us;
  failures_ = failures;
  return now_us < until_us_;
}

} // namespace sightline::app
