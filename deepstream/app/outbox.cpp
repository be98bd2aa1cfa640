#include "outbox.h"

namespace sightline::app {

void Outbox::push(FrameRecord record) {
  {
    const std::lock_guard lock(mutex_);
    bytes_ += record.bytes();
    records_.push_back(std::move(record));
    while (bytes_ > limit_bytes_ && records_.size() > 1) {
      bytes_ -= records_.front().bytes();
      count_dropped(records_.front().camera);
      records_.pop_front();
    }
  }
  wakeup_.notify();
}

std::deque<FrameRecord> Outbox::take_all() {
  std::deque<FrameRecord> taken;
  const std::lock_guard lock(mutex_);
  taken.swap(records_);
  bytes_ = 0;
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
