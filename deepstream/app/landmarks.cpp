#include "landmarks.h"

#include <centerface.h>
#include <fstream>
#include <sstream>

#include "input_bands.h"

namespace sightline::app {
namespace {

/** A box that nvinferserver mapped back and one that is mapped back here differ by rounding alone. */
constexpr double same_box = 0.7;
/** Below the threshold of every model: whether a face counts is for the detector to say. */
constexpr float least_score = 0.05F;

} // namespace

Landmarks::Landmarks(const DetectorSettings &detector) : unique_id_(detector.unique_id) {
  std::ifstream file(detector.config);
  if (!file) throw SettingsError(detector.config + ": cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  bands_ = input_bands(text.str());
}

std::vector<FoundFace> Landmarks::find(const NvDsFrameMeta *frame, const Letterbox &mux, const Size &picture) const {
  std::vector<FoundFace> found;
  for (const GList *at = frame->frame_user_meta_list; at != nullptr; at = at->next) {
    const auto *user = static_cast<const NvDsUserMeta *>(at->data);
    if (user->base_meta.meta_type != NVDSINFER_TENSOR_OUTPUT_META) continue;
    const auto *tensors = static_cast<const NvDsInferTensorMeta *>(user->user_meta_data);
    if (static_cast<int>(tensors->unique_id) != unique_id_) continue;
    std::vector<NvDsInferLayerInfo> layers(tensors->output_layers_info,
                                           tensors->output_layers_info + tensors->num_output_layers);
    for (std::size_t i = 0; i < layers.size(); i += 1) layers[i].buffer = tensors->out_buf_ptrs_host[i];
    const auto faces = faces_of(layers.data(), layers.size(), tensors->network_info, least_score);
    const Letterbox network(
        picture, {static_cast<double>(tensors->network_info.width), static_cast<double>(tensors->network_info.height)}, bands_);
    for (const auto &face : faces.found) {
      FoundFace mapped{mux.back(network.back(Box{face.left, face.top, face.width, face.height})), {}};
      for (std::size_t i = 0; i < mapped.points.size(); i += 1)
        mapped.points[i] = mux.back(network.back(sightline::app::Point{face.points[i].x, face.points[i].y}));
      found.push_back(mapped);
    }
  }
  return found;
}

std::optional<FivePoints> Landmarks::points_of(const Box &box, const std::vector<FoundFace> &faces) {
  const FoundFace *best = nullptr;
  double most = same_box;
  for (const auto &face : faces) {
    const double overlap = iou(box, face.box);
    if (overlap < most) continue;
    best = &face;
    most = overlap;
  }
  if (best == nullptr) return std::nullopt;
  for (const auto &point : best->points)
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) return std::nullopt;
  return best->points;
}

} // namespace sightline::app
