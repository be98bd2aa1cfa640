// One network of nvinferserver: from frames of a batch to objects in their metadata.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/backend.h"
#include "inference/boxes.h"
#include "nvbufsurface.h"
#include "nvdsinfer_custom_impl.h"

namespace standin {

/** A part of a batch, of at most max_batch_size frames, that is on its way. */
struct InferenceRequest {
  std::vector<InferenceFrame> frames;
  std::future<Answer> answer;
};

class InferenceContext {
public:
  /** Library, server, model and labels; nullptr with notices where one of them is not as it must be. */
  static std::unique_ptr<InferenceContext> start(const inference::PluginControl &control, Notices &notices);
  ~InferenceContext();
  InferenceContext(const InferenceContext &) = delete;
  InferenceContext &operator=(const InferenceContext &) = delete;

  std::vector<InferenceRequest> ask(const NvBufSurface *surface, const NvDsBatchMeta *batch);
  /** Waits for the answer and hangs what was found on the frames; the error says why nothing was. */
  std::optional<std::string> take(InferenceRequest &request);

private:
  explicit InferenceContext(const inference::PluginControl &control);
  bool open_library(Notices &notices);
  bool read_labels(Notices &notices);
  void attach_objects(const InferenceFrame &frame, const Detections &found) const;
  void attach_tensors(const InferenceRequest &request, const Answer &answer) const;

  inference::PluginControl control_;
  std::unique_ptr<InferenceBackend> backend_;
  void *library_ = nullptr;
  NvDsInferParseCustomFunc parse_ = nullptr;
  NvDsInferParseDetectionParams params_{};
  std::vector<std::string> labels_;
};

} // namespace standin
