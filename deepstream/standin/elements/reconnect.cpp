#include "reconnect.h"

#include <atomic>
#include <climits>

namespace standin {

namespace {

/** Of the whole process. */
std::atomic<int64_t> last_reset_us{-kResetsApartUs};

} // namespace

Reconnect::Reconnect(const ReconnectSettings &settings, int64_t now_us)
    : settings_(settings), interval_s_(settings.interval_s), left_(settings.attempts <= 0 ? INT_MAX : settings.attempts),
      last_data_us_(now_us) {
  // Nobody watches a source whose own interval is 0; the other one is only for its beginning.
  if (interval_s_ > 0 && settings.first_interval_s > 0) interval_s_ = settings.first_interval_s;
}

void Reconnect::data(int64_t now_us) {
  last_data_us_ = now_us;
  left_ = settings_.attempts <= 0 ? INT_MAX : settings_.attempts;
  said_ = false;
  if (interval_s_ > 0) interval_s_ = settings_.interval_s;
}

void Reconnect::warning() {
  interval_s_ = settings_.first_interval_s;
}

ReconnectStep Reconnect::tick(int64_t now_us) {
  if (interval_s_ == 0 || now_us - last_data_us_ < static_cast<int64_t>(interval_s_) * 1'000'000) return ReconnectStep::wait;
  if (left_ == 0) {
    if (said_) return ReconnectStep::wait;
    said_ = true;
    return ReconnectStep::exceeded;
  }
  int64_t last = last_reset_us.load();
  if (now_us - last < kResetsApartUs || !last_reset_us.compare_exchange_strong(last, now_us)) return ReconnectStep::wait;
  --left_;
  last_data_us_ = now_us;
  return ReconnectStep::reset;
}

} // namespace standin
