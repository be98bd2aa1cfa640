// The output side of nvinferserver and nvtracker: batches in the order in which they came, two waiting at most, each finished
// by one thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace standin {

class OutputQueue {
public:
  using Job = std::function<void()>;

  OutputQueue() : thread_([this] { run(); }) {}
  /** What waits is done first. */
  ~OutputQueue() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  OutputQueue(const OutputQueue &) = delete;
  OutputQueue &operator=(const OutputQueue &) = delete;

  /** Blocks while two wait: a server that never answers stops the pipeline without a word, as on the card. */
  void push(Job job) {
    std::unique_lock<std::mutex> hold(mutex_);
    changed_.wait(hold, [this] { return waiting_.size() < kMost; });
    waiting_.push_back(std::move(job));
    changed_.notify_all();
  }

  /** Until all that was pushed is done. */
  void drain() {
    std::unique_lock<std::mutex> hold(mutex_);
    changed_.wait(hold, [this] { return waiting_.empty() && !busy_; });
  }

private:
  static constexpr size_t kMost = 2;

  void run() {
    std::unique_lock<std::mutex> hold(mutex_);
    for (;;) {
      changed_.wait(hold, [this] { return !waiting_.empty() || ending_; });
      if (waiting_.empty()) return;
      Job job = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
      changed_.notify_all();
      hold.unlock();
      job();
      hold.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace standin
