#include "decode_backlog.h"

namespace sightline::app {
namespace {

/** A unit that waited longer is late: live pictures are worth nothing when they are seconds old, and DeepStream's queue before
 * the decoder holds 200 units, eight seconds of most cameras. */
constexpr std::int64_t late_us = 1'000'000;
/** Late for so long without a break: decoding does not make up for it. */
constexpr std::int64_t patience_us = 1'000'000;
/** A key picture that waited longer is no place to go on from: the next units would be late at once. */
constexpr std::int64_t soon_us = 500'000;
/** A source whose key pictures cannot be told, or that sent one and never again, would not come back. */
constexpr unsigned least_keys = 2;

} // namespace

bool DecodeBacklog::skips(bool key, std::optional<std::int64_t> waited_us, std::int64_t now_us) {
  if (key && keys_ < least_keys) keys_ += 1;
  const auto waited = waited_us.value_or(0);
  if (waited <= late_us)
    late_since_us_.reset();
  else if (!late_since_us_)
    late_since_us_ = now_us;
  if (late_since_us_ && now_us - *late_since_us_ >= patience_us && keys_ == least_keys) skipping_ = true;
  if (skipping_ && key && waited <= soon_us) skipping_ = false;
  return skipping_;
}

} // namespace sightline::app
