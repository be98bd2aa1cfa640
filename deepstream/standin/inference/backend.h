// Who answers a request of nvinferserver: a Triton server, or a script.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "inference/config.h"
#include "inference/letterbox.h"
#include "nvdsinfer.h"
#include "nvdsmeta.h"
#include "settings.pb.h"

namespace standin {

struct OutputTensor {
  std::string name;
  NvDsInferDataType type;
  std::vector<int64_t> shape;
  const uint8_t *data;
  size_t bytes;
};

struct Answer {
  /** Why there are no tensors; empty: there are. */
  std::string error;
  std::vector<OutputTensor> tensors;
  /** What the tensors' data belong to. */
  std::shared_ptr<const void> keep;
};

struct InferenceFrame {
  NvDsFrameMeta *meta;
  /** Of the surface, which boxes are measured on. */
  uint32_t width;
  uint32_t height;
  Letterbox place;
};

class InferenceBackend {
public:
  InferenceBackend() = default;
  virtual ~InferenceBackend() = default;
  InferenceBackend(const InferenceBackend &) = delete;
  InferenceBackend &operator=(const InferenceBackend &) = delete;

  virtual const NetworkInput &input() const = 0;
  /** False: `pixels` of a request stay empty. */
  virtual bool wants_pixels() const = 0;
  /** Answered whenever the other side answers; never given up on, as on the card. `frames` are read before this returns. */
  virtual std::future<Answer> ask(const std::vector<InferenceFrame> &frames, std::string pixels) = 0;
};

/** The card's checks of server and model, and its first request; then ready for frames. nullptr where one of them fails. */
std::unique_ptr<InferenceBackend> open_triton(const inference::InferenceConfig &config, Notices &notices);

/** Boxes out of recorded ones (README.md), as the tensors of an end-to-end YOLO. */
std::unique_ptr<InferenceBackend> open_script(const std::string &path, const inference::InferenceConfig &config,
                                              Notices &notices);

/** What is in the network's input by the configuration, but for its size and type. */
NetworkInput input_of(const inference::PreProcessParams &config);

} // namespace standin
