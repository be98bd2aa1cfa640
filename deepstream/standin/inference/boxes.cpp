#include "inference/boxes.h"

#include <algorithm>
#include <map>
#include <utility>

namespace standin {

namespace {

using Box = NvDsInferObjectDetectionInfo;

float overlap(float a, float a_size, float b, float b_size) {
  if (a > b) {
    std::swap(a, b);
    std::swap(a_size, b_size);
  }
  return a + a_size < b ? 0 : std::min(a + a_size, b + b_size) - b;
}

float iou(const Box &a, const Box &b) {
  const float shared = overlap(a.left, a.width, b.left, b.width) * overlap(a.top, a.height, b.top, b.height);
  const float either = a.width * a.height + b.width * b.height - shared;
  return either == 0 ? 0 : shared / either;
}

Detections suppressed(const Detections &found, float threshold) {
  std::vector<size_t> order(found.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return found[a].detectionConfidence > found[b].detectionConfidence; });
  Detections kept;
  for (const size_t i : order)
    if (std::all_of(kept.begin(), kept.end(), [&](const Box &other) { return iou(found[i], other) <= threshold; }))
      kept.push_back(found[i]);
  return kept;
}

} // namespace

bool detection_params(const inference::DetectionParams &config, NvDsInferParseDetectionParams &params) {
  if (config.num_detected_classes() <= 0) return false;
  const float threshold = config.has_nms()              ? config.nms().confidence_threshold()
                          : config.has_simple_cluster() ? config.simple_cluster().threshold()
                                                        : 0;
  params.numClassesConfigured = static_cast<unsigned>(config.num_detected_classes());
  params.perClassPreclusterThreshold.assign(params.numClassesConfigured, threshold);
  for (const auto &[class_id, own] : config.per_class_params()) {
    if (class_id < 0 || class_id >= config.num_detected_classes()) return false;
    params.perClassPreclusterThreshold[static_cast<size_t>(class_id)] = own.pre_threshold();
  }
  return true;
}

Detections clustered(const inference::DetectionParams &config, const NvDsInferParseDetectionParams &params, Detections found) {
  found.erase(std::remove_if(found.begin(), found.end(),
                             [&](const Box &box) {
                               return box.classId >= params.numClassesConfigured ||
                                      box.detectionConfidence < params.perClassPreclusterThreshold[box.classId];
                             }),
              found.end());
  if (!config.has_nms()) return found;
  std::map<unsigned, Detections> classes;
  for (const Box &box : found) classes[box.classId].push_back(box);
  Detections kept;
  for (const auto &[class_id, boxes] : classes) {
    const Detections rest = suppressed(boxes, config.nms().iou_threshold());
    kept.insert(kept.end(), rest.begin(), rest.end());
  }
  const auto most = static_cast<size_t>(std::max(config.nms().topk(), 0));
  if (most > 0 && most < kept.size()) {
    const auto end = kept.begin() + static_cast<Detections::difference_type>(most);
    std::nth_element(kept.begin(), end, kept.end(),
                     [](const Box &a, const Box &b) { return a.detectionConfidence > b.detectionConfidence; });
    kept.erase(end, kept.end());
  }
  return kept;
}

FrameBox on_frame(const Box &found, const Letterbox &place) {
  const auto scale_x = static_cast<float>(place.scale_x);
  const auto scale_y = static_cast<float>(place.scale_y);
  return {(found.left - static_cast<float>(place.left)) / scale_x, (found.top - static_cast<float>(place.top)) / scale_y,
          found.width / scale_x, found.height / scale_y};
}

const inference::PluginControl::DetectClassFilter *filter_of(const inference::PluginControl &control, unsigned class_id) {
  if (!control.output_control().has_detect_control()) return nullptr;
  const auto &detect = control.output_control().detect_control();
  const auto own = detect.specific_class_filters().find(class_id);
  return own == detect.specific_class_filters().end() ? &detect.default_filter() : &own->second;
}

bool is_filtered_out(const inference::PluginControl &control, unsigned class_id) {
  const auto &ids = control.output_control().detect_control().filter_out_class_ids();
  return std::find(ids.begin(), ids.end(), static_cast<int>(class_id)) != ids.end();
}

bool passes(const inference::PluginControl::DetectClassFilter &filter, const FrameBox &box, unsigned frame_height) {
  const auto &sizes = filter.bbox_filter();
  const auto over = [](float size, uint32_t most) { return most > 0 && size > static_cast<float>(most); };
  return !(box.width < static_cast<float>(sizes.min_width()) || box.height < static_cast<float>(sizes.min_height()) ||
           over(box.width, sizes.max_width()) || over(box.width, sizes.max_height()) ||
           box.top < static_cast<float>(filter.roi_top_offset()) ||
           box.top + box.height + static_cast<float>(filter.roi_bottom_offset()) > static_cast<float>(frame_height));
}

} // namespace standin
