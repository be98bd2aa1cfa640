#pragma once

#include <cstdint>

namespace sightline::app {

/** Whether a detector fails: also for some seconds after, as one good picture among bad ones mends nothing. Pure. */
class DetectorTrouble {
public:
  bool look(std::uint64_t failures, std::int64_t now_us);

private:
  std::uint64_t failures_ = 0;
  std::int64_t until_us_ = 0;
};

} // namespace sightline::app
