#include "outbox.h"

namespace sightline::app {

void Outbox::push(std::vector<FrameRecord> records) {
  {
    const std::lock_guard lock(mutex_);
    for (auto &record : records) {
      bytes_ += record.bytes();
      records_.push_back(std::move(record));
    }
    while (bytes_ > limit_bytes_ && records_.size() > 1) {
      bytes_ -= records_.front().bytes();
      count_dropped(records_.front().camera);
      records_.pop_front();
    }
  }
  wakeup_.notify();
}

std::vector<FrameRecord> Outbox::take(std::size_t bytes) {
  std::vector<FrameRecord> taken;
  const std::lock_guard lock(mutex_);
  for (std::size_t sum = 0; sum < bytes && !records_.empty();) {
    const std::size_t own = records_.front().bytes();
    sum += own;
    bytes_ -= own;
    taken.push_back(std::move(records_.front()));
    records_.pop_front();
  }
  return taken;
}

void Room::set(bool roomy) {
  {
    const std::lock_guard lock(mutex_);
    if (roomy_ == roomy) return;
    roomy_ = roomy;
  }
  changed_.notify_all();
}

void Room::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return roomy_ || closed_; });
}

void Room::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

} // namespace sightline::app
