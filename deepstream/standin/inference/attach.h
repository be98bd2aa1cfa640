// What nvinferserver hangs on a frame: objects and raw tensors.
#pragma once

#include <memory>
#include <vector>

#include "gstnvdsinfer.h"
#include "inference/backend.h"
#include "inference/boxes.h"
#include "nvdsmeta.h"

namespace standin {

struct FoundObject {
  FrameBox box;
  const NvDsInferObjectDetectionInfo &found;
  const char *label;                                         // nullptr: the class has none
  const inference::PluginControl::DetectClassFilter *filter; // nullptr: there is none
  gint unique_id;
};
/** The batch is locked. */
void attach_object(NvDsFrameMeta *frame, const FoundObject &object);

/** `layers` of one frame of the batch point into `answer`, which lives as long as the metadata or a copy of it. */
void attach_tensor_meta(NvDsFrameMeta *frame, const std::shared_ptr<const Answer> &answer,
                        const std::vector<NvDsInferLayerInfo> &layers, const NvDsInferNetworkInfo &network, guint unique_id);

/** The tensors as a frame of the batch sees them. */
std::vector<NvDsInferLayerInfo> layers_of(const Answer &answer, size_t frames, size_t frame);

} // namespace standin
