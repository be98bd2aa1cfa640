#pragma once

#include <cstdint>
#include <sys/eventfd.h>

#include "holders.h"

namespace sightline::app {

/** What a thread that polls is woken by. */
class Wakeup {
public:
  Wakeup() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  int fd() const { return event_.get(); }
  void notify() const {
    const std::uint64_t one = 1;
    // It fails only while it is raised already.
    [[maybe_unused]] const auto written = write(event_.get(), &one, sizeof one);
  }
  void clear() const {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = read(event_.get(), &count, sizeof count);
  }

private:
  Descriptor event_;
};

} // namespace sightline::app
