#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "crops.h"
#include "frame_record.h"

namespace sightline::app {

/**
 * Which crops are cut and which of those are sent. The probe asks before there are pixels, with the best quality that a crop
 * can have; the sending thread measures what was cut and decides by the same rule, in the order of the frames. Locks are held
 * for a look into a map.
 */
class CropJudge {
public:
  explicit CropJudge(std::size_t cameras);

  void configure(std::size_t camera, const CropOptions &options);
  /** For the probe. */
  bool may_want(std::size_t camera, const SeenObject &object, double visible, double media_ms);
  /** For the sending thread: measures the record's crops and leaves out those that nobody wants. */
  void judge(FrameRecord &record);
  void decided(std::size_t camera, std::uint32_t generation, std::uint32_t track_id, bool decided);
  std::uint64_t crops(std::size_t camera) const { return cameras_[camera]->crops.load(std::memory_order_relaxed); }
  /** Crops that were no JPEG that can be read. */
  std::uint64_t broken() const { return broken_.load(std::memory_order_relaxed); }

private:
  struct Camera {
    std::mutex mutex;
    CropPolicy policy{CropOptions{}};
    std::uint32_t generation = 0;
    std::atomic<std::uint64_t> crops = 0;
  };

  std::vector<std::unique_ptr<Camera>> cameras_;
  std::atomic<std::uint64_t> broken_ = 0;
};

} // namespace sightline::app
