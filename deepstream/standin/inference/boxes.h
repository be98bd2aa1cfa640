// What nvinferserver does to the boxes of a parser: thresholds, suppression, the way back to the frame, filters.
#pragma once

#include <vector>

#include "inference/letterbox.h"
#include "nvdsinfer_custom_impl.h"
#include "settings.pb.h"

namespace standin {

using Detections = std::vector<NvDsInferObjectDetectionInfo>;

/** The thresholds that the parser is told, and that hold after it whatever it did with them. Nothing where a class does not
 * exist. */
bool detection_params(const inference::DetectionParams &config, NvDsInferParseDetectionParams &params);

/** Thresholds, then what the configuration says about boxes that lie on each other. Scores that are no number pass. */
Detections clustered(const inference::DetectionParams &config, const NvDsInferParseDetectionParams &params, Detections found);

struct FrameBox {
  float left;
  float top;
  float width;
  float height;
};
/** Not cut to the frame. */
FrameBox on_frame(const NvDsInferObjectDetectionInfo &found, const Letterbox &place);

/** The filter of a class. Nothing: no detect_control at all. */
const inference::PluginControl::DetectClassFilter *filter_of(const inference::PluginControl &control, unsigned class_id);
bool is_filtered_out(const inference::PluginControl &control, unsigned class_id);
/** max_height is compared with the width, as on the card. */
bool passes(const inference::PluginControl::DetectClassFilter &filter, const FrameBox &box, unsigned frame_height);

} // namespace standin
