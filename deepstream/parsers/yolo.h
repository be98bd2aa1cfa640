#pragma once

#include <cstddef>

#include "tensors.h"

/**
 * The YOLO family, as src/models/yolo-end2end.ts, yolov7.ts and yolov8.ts decode it. Boxes are in pixels of the network's
 * input; those of less than `min_score` are left out. Nothing is suppressed here: nvinferserver does that, or the network has.
 */
namespace sightline {

struct Box {
  float left;
  float top;
  float width;
  float height;
  float score;
  std::size_t label;
};

/** A model's outputs as its labels and its cut want them read. */
struct YoloRequest {
  const NvDsInferLayerInfo *layers;
  std::size_t count;
  std::size_t classes;
  float min_score;
};

/**
 * Kind `yolo_end2end`. TensorRT form: `num_dets` [1], `det_boxes` [K,4] of corners, `det_scores` [K], `det_classes` [K]; rows
 * from `num_dets` on are garbage. One-to-one form: one output [K,6] of left, top, right, bottom, score, class. ONNX Runtime
 * form: one output [M,7] of picture, left, top, right, bottom, class, score; asked about one picture at a time, so that rows of
 * another than 0 are not of it.
 */
Parsed<Box> end2end_boxes_of(const YoloRequest &request);

/** Kind `yolov7`, grid form: [boxes, 5 + classes] of centre, size, objectness and classes. Score = objectness · best class,
 * objectness alone of one class. */
Parsed<Box> grid_boxes_of(const YoloRequest &request);

/** Kind `yolov8`, decoded form: [4 + classes, boxes] or [boxes, 4 + classes] of centre, size and classes. Score = best class.
 */
Parsed<Box> scored_boxes_of(const YoloRequest &request);

} // namespace sightline
