#include "inference/context.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include <dlfcn.h>

#include "control.h"
#include "inference/attach.h"
#include "metadata.h"
#include "surface.h"

namespace standin {

namespace {

using Kind = Notice::Kind;

NvDsInferDims dims_of(const OutputTensor &tensor, bool batched) {
  NvDsInferDims dims{};
  dims.numElements = 1;
  for (size_t i = batched ? 1 : 0; i < tensor.shape.size() && dims.numDims < NVDSINFER_MAX_DIMS; ++i) {
    dims.d[dims.numDims] = static_cast<unsigned>(tensor.shape[i]);
    dims.numElements *= dims.d[dims.numDims++];
  }
  return dims;
}

/** As the card guesses: the first dimension is the batch where it is as large as the batch. */
bool is_batched(const OutputTensor &tensor, size_t frames) {
  return !tensor.shape.empty() && tensor.shape[0] == static_cast<int64_t>(frames);
}

Nv12 pixels_of(const NvBufSurface *surface, uint32_t index) {
  const Plane luma = plane_of(surface, index, 0);
  const Plane chroma = plane_of(surface, index, 1);
  return {luma.data, luma.pitch, chroma.data, chroma.pitch, static_cast<int>(luma.width), static_cast<int>(luma.height)};
}

} // namespace

std::vector<NvDsInferLayerInfo> layers_of(const Answer &answer, size_t frames, size_t frame) {
  std::vector<NvDsInferLayerInfo> layers;
  for (const OutputTensor &tensor : answer.tensors) {
    const bool batched = is_batched(tensor, frames);
    const size_t offset = batched ? tensor.bytes / frames * frame : 0;
    NvDsInferLayerInfo layer{};
    layer.dataType = tensor.type;
    layer.inferDims = dims_of(tensor, batched);
    layer.bindingIndex = static_cast<int>(layers.size());
    layer.layerName = tensor.name.c_str();
    layer.buffer = const_cast<uint8_t *>(tensor.data + offset);
    layers.push_back(layer);
  }
  return layers;
}

InferenceContext::InferenceContext(const inference::PluginControl &control) : control_(control) {}

InferenceContext::~InferenceContext() {
  backend_.reset();
  if (library_ != nullptr) dlclose(library_);
}

std::unique_ptr<InferenceContext> InferenceContext::start(const inference::PluginControl &control, Notices &notices) {
  const inference::InferenceConfig &config = control.infer_config();
  std::unique_ptr<InferenceContext> context(new InferenceContext(control));
  if (!context->open_library(notices)) return nullptr;
  const auto script = control_text("/inference/script");
  context->backend_ = script.has_value() ? open_script(*script, config, notices) : open_triton(config, notices);
  if (context->backend_ == nullptr) {
    notices.push_back({Kind::log_error, "create nn-backend failed, check config file settings", ""});
    return nullptr;
  }
  const int offsets = config.preprocess().normalize().channel_offsets_size();
  if (offsets > 0 && offsets < 3) {
    notices.push_back({Kind::log_error, "failed to set preprocess scalor and offsets.", ""});
    return nullptr;
  }
  if (!config.postprocess().has_detection() && !config.postprocess().has_other()) {
    notices.push_back({Kind::log_error, "no postprocessing params found from config files", ""});
    return nullptr;
  }
  if (config.postprocess().has_detection() && !detection_params(config.postprocess().detection(), context->params_)) {
    notices.push_back(
        {Kind::log_error, "Config DetectionParams.num_detected_classes is not set, or per_class_pre_threshold is larger", ""});
    return nullptr;
  }
  if (!context->read_labels(notices)) return nullptr;
  return context;
}

bool InferenceContext::open_library(Notices &notices) {
  const inference::InferenceConfig &config = control_.infer_config();
  if (!config.custom_lib().path().empty()) {
    library_ = dlopen(config.custom_lib().path().c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (library_ == nullptr) {
      notices.push_back({Kind::log_error, std::string("Could not open custom lib: ") + dlerror(), ""});
      return false;
    }
  }
  const std::string &name = config.postprocess().detection().custom_parse_bbox_func();
  if (name.empty()) return true;
  if (library_ == nullptr) {
    notices.push_back({Kind::log_error, "detetor custom func:" + name + " defined but there's no custom_lib specified", ""});
    return false;
  }
  parse_ = reinterpret_cast<NvDsInferParseCustomFunc>(dlsym(library_, name.c_str()));
  if (parse_ != nullptr) return true;
  notices.push_back({Kind::log_error,
                     "Detect-postprocessor failed to init resource because dlsym failed to get func " + name + " pointer", ""});
  return false;
}

bool InferenceContext::read_labels(Notices &notices) {
  const std::string &path = control_.infer_config().postprocess().labelfile_path();
  if (path.empty()) return true;
  std::ifstream file(path);
  if (!file) {
    notices.push_back({Kind::log_error, "Could not open labels file:" + path, ""});
    return false;
  }
  // One class a line; of a line with semicolons the first word.
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) labels_.push_back(line.substr(0, line.find(';')));
  return true;
}

std::vector<InferenceRequest> InferenceContext::ask(const NvBufSurface *surface, const NvDsBatchMeta *batch) {
  const auto most = static_cast<size_t>(control_.infer_config().max_batch_size());
  const inference::PreProcessParams &pre = control_.infer_config().preprocess();
  const NetworkInput &input = backend_->input();
  const size_t bytes = 3 * static_cast<size_t>(input.width) * static_cast<size_t>(input.height) * bytes_of(input.type);
  std::vector<InferenceRequest> requests;
  const auto send = [&](std::vector<InferenceFrame> frames, std::string pixels) {
    InferenceRequest request;
    request.answer = backend_->ask(frames, std::move(pixels));
    request.frames = std::move(frames);
    requests.push_back(std::move(request));
  };
  std::vector<InferenceFrame> frames;
  std::string pixels;
  // The nth frame of the metadata goes with the nth surface, as on the card, whatever batch_id says.
  uint32_t index = 0;
  for (GList *l = batch->frame_meta_list; l != nullptr; l = l->next, ++index) {
    const NvBufSurfaceParams &params = surface->surfaceList[index];
    const Letterbox place = letterbox(static_cast<int>(params.width), static_cast<int>(params.height), input.width,
                                      input.height, pre.maintain_aspect_ratio() != 0, pre.symmetric_padding() != 0);
    frames.push_back({static_cast<NvDsFrameMeta *>(l->data), params.width, params.height, place});
    if (backend_->wants_pixels()) {
      pixels.resize(pixels.size() + bytes);
      fill_input(pixels_of(surface, index), place, input, reinterpret_cast<uint8_t *>(pixels.data()) + pixels.size() - bytes);
    }
    if (frames.size() == most) {
      send(std::move(frames), std::move(pixels));
      frames = {};
      pixels = {};
    }
  }
  if (!frames.empty()) send(std::move(frames), std::move(pixels));
  return requests;
}

std::optional<std::string> InferenceContext::take(InferenceRequest &request) {
  const Answer answer = request.answer.get();
  if (!answer.error.empty()) return answer.error;
  const size_t count = request.frames.size();
  const inference::DetectionParams &config = control_.infer_config().postprocess().detection();
  if (parse_ != nullptr) {
    std::vector<Detections> all(count);
    for (const OutputTensor &tensor : answer.tensors)
      if (count > 1 && !is_batched(tensor, count)) return "Output tensor: " + tensor.name + " is mix-batched.";
    for (size_t i = 0; i < count; ++i) {
      const NetworkInput &input = backend_->input();
      const NvDsInferNetworkInfo network{static_cast<unsigned>(input.width), static_cast<unsigned>(input.height), 3};
      if (!parse_(layers_of(answer, count, i), network, params_, all[i]))
        return "Failed to parse bboxes using custom parse function";
      all[i] = clustered(config, params_, std::move(all[i]));
    }
    for (size_t i = 0; i < count; ++i) attach_objects(request.frames[i], all[i]);
  }
  if (control_.output_control().output_tensor_meta()) attach_tensors(request, answer);
  return std::nullopt;
}

void InferenceContext::attach_objects(const InferenceFrame &frame, const Detections &found) const {
  const MetaLock lock(frame.meta->base_meta.batch_meta);
  frame.meta->bInferDone = TRUE;
  for (const NvDsInferObjectDetectionInfo &one : found) {
    if (is_filtered_out(control_, one.classId)) continue;
    const auto *filter = filter_of(control_, one.classId);
    const FrameBox box = on_frame(one, frame.place);
    if (filter != nullptr && !passes(*filter, box, frame.height)) continue;
    const char *label = one.classId < labels_.size() ? labels_[one.classId].c_str() : nullptr;
    attach_object(frame.meta, {box, one, label, filter, static_cast<gint>(control_.infer_config().unique_id())});
  }
}

void InferenceContext::attach_tensors(const InferenceRequest &request, const Answer &answer) const {
  const NetworkInput &input = backend_->input();
  const NvDsInferNetworkInfo network{static_cast<unsigned>(input.width), static_cast<unsigned>(input.height), 3};
  const size_t count = request.frames.size();
  Answer attached = answer;
  if (count > 1)
    attached.tensors.erase(std::remove_if(attached.tensors.begin(), attached.tensors.end(),
                                          [&](const OutputTensor &tensor) { return !is_batched(tensor, count); }),
                           attached.tensors.end());
  if (attached.tensors.empty()) return;
  const auto shared = std::make_shared<const Answer>(std::move(attached));
  for (size_t i = 0; i < count; ++i)
    attach_tensor_meta(request.frames[i].meta, shared, layers_of(*shared, count, i), network,
                       control_.infer_config().unique_id());
}

} // namespace standin
