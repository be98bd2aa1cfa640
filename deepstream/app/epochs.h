#pragma once

#include <mutex>
#include <optional>
#include <vector>

namespace sightline::app {

/** Which epoch the daemon gave to which open of a camera's source; the newest of each camera. For all threads. */
class EpochTable {
public:
  explicit EpochTable(std::size_t cameras) : cameras_(cameras) {}

  void set(std::size_t camera, std::uint32_t generation, std::uint32_t epoch) {
    const std::lock_guard lock(mutex_);
    cameras_[camera] = {generation, epoch};
  }
  /** Absent: the daemon has not said. */
  std::optional<std::uint32_t> epoch(std::size_t camera, std::uint32_t generation) const {
    const std::lock_guard lock(mutex_);
    if (cameras_[camera].generation != generation || cameras_[camera].epoch == 0) return std::nullopt;
    return cameras_[camera].epoch;
  }
  /** Absent: it is not the newest. */
  std::optional<std::uint32_t> generation(std::size_t camera, std::uint32_t epoch) const {
    const std::lock_guard lock(mutex_);
    if (cameras_[camera].epoch != epoch || epoch == 0) return std::nullopt;
    return cameras_[camera].generation;
  }
  /** Of the newest; 0: none. */
  std::uint32_t latest(std::size_t camera) const {
    const std::lock_guard lock(mutex_);
    return cameras_[camera].epoch;
  }

private:
  struct Given {
    std::uint32_t generation = 0;
    std::uint32_t epoch = 0;
  };

  mutable std::mutex mutex_;
  std::vector<Given> cameras_;
};

} // namespace sightline::app
