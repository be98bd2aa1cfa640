#include "crop_judge.h"

namespace sightline::app {
namespace {

/** Longest side of a JPEG that is read. */
constexpr int most_side = 8192;

} // namespace

CropJudge::CropJudge(std::size_t cameras) {
  for (std::size_t i = 0; i < cameras; i += 1) cameras_.push_back(std::make_unique<Camera>());
}

void CropJudge::configure(std::size_t camera, const CropOptions &options) {
  const std::lock_guard lock(cameras_[camera]->mutex);
  cameras_[camera]->policy = CropPolicy(options);
}

bool CropJudge::may_want(std::size_t camera, const SeenObject &object, double visible, double media_ms) {
  const double best = best_quality(object.landmarks, object.score, visible, object.box.height);
  const std::lock_guard lock(cameras_[camera]->mutex);
  return cameras_[camera]->policy.wants(object.track_id, object.label, object.box.height, best, media_ms);
}

void CropJudge::judge(FrameRecord &record) {
  Camera &camera = *cameras_[record.camera];
  {
    const std::lock_guard lock(camera.mutex);
    if (camera.generation != record.generation) camera.policy.clear();
    camera.generation = record.generation;
  }
  for (auto &object : record.objects) {
    if (!object.crop) continue;
    SeenCrop &crop = *object.crop;
    const auto grey = grey_of_jpeg(reinterpret_cast<const std::uint8_t *>(crop.jpeg.data()), crop.jpeg.size(), most_side);
    if (!grey || grey->width != crop.width || grey->height != crop.height) {
      broken_.fetch_add(1, std::memory_order_relaxed);
      object.crop.reset();
      continue;
    }
    crop.quality = assess_crop({*grey, crop.box, crop.landmarks, object.score, crop.visible, object.box.height});
    const double overall = crop.quality->overall;
    const std::lock_guard lock(camera.mutex);
    if (camera.policy.wants(object.track_id, object.label, object.box.height, overall, record.media_ms)) {
      camera.policy.cropped(object.track_id, overall, record.media_ms);
      camera.crops.fetch_add(1, std::memory_order_relaxed);
    } else {
      object.crop.reset();
    }
  }
  const std::lock_guard lock(camera.mutex);
  camera.policy.ended(record.ended_tracks);
}

void CropJudge::decided(std::size_t camera, std::uint32_t generation, std::uint32_t track_id, bool decided) {
  const std::lock_guard lock(cameras_[camera]->mutex);
  if (cameras_[camera]->generation == generation) cameras_[camera]->policy.decided(track_id, decided);
}

} // namespace sightline::app
