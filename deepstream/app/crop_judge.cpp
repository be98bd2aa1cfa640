#include "crop_judge.h"

namespace sightline::app {
namespace {

/** Longest side of a JPEG that is read. */
constexpr int mostSide = 8192;

} // namespace

CropJudge::CropJudge(std::size_t cameras) {
  for (std::size_t i = 0; i < cameras; i += 1) cameras_.push_back(std::make_unique<Camera>());
}

void CropJudge::configure(std::size_t camera, const CropOptions &options) {
  const std::lock_guard lock(cameras_[camera]->mutex);
  cameras_[camera]->policy = CropPolicy(options);
}

bool CropJudge::mayWant(std::size_t camera, const SeenObject &object, double visible, double mediaMs) {
  const double best = bestQuality(object.landmarks, object.score, visible, object.box.height);
  const std::lock_guard lock(cameras_[camera]->mutex);
  return cameras_[camera]->policy.wants(object.trackId, object.label, object.box.height, best, mediaMs);
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
    const auto grey = greyOfJpeg(reinterpret_cast<const std::uint8_t *>(crop.jpeg.data()), crop.jpeg.size(), mostSide);
    if (!grey || grey->width != crop.width || grey->height != crop.height) {
      broken_.fetch_add(1, std::memory_order_relaxed);
      object.crop.reset();
      continue;
    }
    crop.quality = assessCrop({*grey, crop.box, crop.landmarks, object.score, crop.visible, object.box.height});
    const double overall = crop.quality->overall;
    const std::lock_guard lock(camera.mutex);
    if (camera.policy.wants(object.trackId, object.label, object.box.height, overall, record.mediaMs)) {
      camera.policy.cropped(object.trackId, overall, record.mediaMs);
      camera.crops.fetch_add(1, std::memory_order_relaxed);
    } else {
      object.crop.reset();
    }
  }
  const std::lock_guard lock(camera.mutex);
  camera.policy.ended(record.endedTracks);
}

void CropJudge::decided(std::size_t camera, std::uint32_t generation, std::uint32_t trackId, bool decided) {
  const std::lock_guard lock(cameras_[camera]->mutex);
  if (cameras_[camera]->generation == generation) cameras_[camera]->policy.decided(trackId, decided);
}

} // namespace sightline::app
