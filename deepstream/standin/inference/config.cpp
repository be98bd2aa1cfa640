#include "inference/config.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <google/protobuf/text_format.h>

namespace standin {

namespace {

using namespace inference;
namespace fs = std::filesystem;
using Kind = Notice::Kind;

constexpr float kDefaultScale = 1.0F;

std::optional<std::string> read_file(const std::string &path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/** Paths in the file are relative to it; one that leads nowhere stops the start, an absolute one is looked at when it is used.
 */
bool make_absolute(std::string &path, const char *field, const std::string &config_path, Notices &notices) {
  if (path.empty() || fs::path(path).is_absolute()) return true;
  std::error_code error;
  const fs::path full = fs::canonical(fs::path(config_path).parent_path() / path, error);
  if (error) {
    notices.push_back({Kind::log_error, "config file:" + config_path + " cannot get real path for " + field, ""});
    return false;
  }
  path = full.string();
  return true;
}

/** The first thing asked for that the stand-in does not do. */
std::optional<std::string> not_done_here(const PluginControl &control) {
  const InferenceConfig &infer = control.infer_config();
  const PostProcessParams &post = infer.postprocess();
  const DetectionParams &detection = post.detection();
  const PreProcessParams &pre = infer.preprocess();
  if (infer.has_input_tensor_from_meta()) return "infer_config.input_tensor_from_meta";
  if (infer.has_lstm()) return "infer_config.lstm";
  if (infer.clip_object_outside_roi()) return "infer_config.clip_object_outside_roi";
  if (!infer.extra().custom_process_funcion().empty()) return "infer_config.extra.custom_process_funcion";
  if (infer.extra().copy_input_to_host_buffers()) return "infer_config.extra.copy_input_to_host_buffers";
  if (infer.backend().triton().has_model_repo()) return "backend.triton.model_repo";
  if (infer.backend().triton().class_params_size() > 0) return "backend.triton.class_params";
  if (infer.backend().triton().grpc().enable_cuda_buffer_sharing())
    return "backend.triton.grpc.enable_cuda_buffer_sharing (there is no CUDA)";
  if (pre.network_format() == IMAGE_FORMAT_GRAY) return "preprocess.network_format: IMAGE_FORMAT_GRAY";
  if (!pre.normalize().mean_file().empty()) return "preprocess.normalize.mean_file";
  if (post.has_classification() || post.has_triton_classification()) return "postprocess.classification";
  if (post.has_segmentation()) return "postprocess.segmentation";
  if (detection.has_dbscan()) return "postprocess.detection.dbscan";
  if (detection.has_group_rectangle()) return "postprocess.detection.group_rectangle";
  if (post.has_detection() && detection.custom_parse_bbox_func().empty())
    return "postprocess.detection without custom_parse_bbox_func";
  if (control.input_control().process_mode() == PluginControl::PROCESS_MODE_CLIP_OBJECTS)
    return "input_control.process_mode: PROCESS_MODE_CLIP_OBJECTS";
  return std::nullopt;
}

void complete_preprocess(PreProcessParams &pre, Notices &notices) {
  if (pre.network_format() == MEDIA_FORMAT_NONE) {
    pre.set_network_format(IMAGE_FORMAT_RGB);
    notices.push_back({Kind::log_warning, "auto-update preprocess.network_format to IMAGE_FORMAT_RGB", ""});
  }
  if (!pre.has_normalize() || pre.normalize().scale_factor() == 0) {
    pre.mutable_normalize()->set_scale_factor(kDefaultScale);
    notices.push_back({Kind::log_warning, "auto-update preprocess.normalize.scale_factor to 1.0000", ""});
  }
}

bool complete(InferenceConfig &infer, const std::string &path, Notices &notices) {
  if (infer.gpu_ids_size() == 0) infer.add_gpu_ids(0);
  if (infer.gpu_ids_size() > 1) {
    notices.push_back({Kind::log_error, "update gpu_ids to keep single gpu in config:" + path, ""});
    return false;
  }
  if (infer.max_batch_size() == 0) {
    infer.set_max_batch_size(1);
    notices.push_back({Kind::log_warning, "update max_bath_size to 1 in config:" + path, ""});
  }
  if (infer.backend().has_trt_is()) {
    const TritonParams triton = infer.backend().trt_is();
    *infer.mutable_backend()->mutable_triton() = triton;
    notices.push_back({Kind::log_warning, "backend.trt_is is deprecated. updated it to backend.triton", ""});
  }
  if (!infer.has_input_tensor_from_meta()) complete_preprocess(*infer.mutable_preprocess(), notices);
  if (infer.has_postprocess() &&
      !make_absolute(*infer.mutable_postprocess()->mutable_labelfile_path(), "labelfile_path", path, notices))
    return false;
  if (infer.has_custom_lib() && infer.custom_lib().path().find('/') != std::string::npos)
    return make_absolute(*infer.mutable_custom_lib()->mutable_path(), "path", path, notices);
  return true;
}

/** Properties win over the file, most of them with a warning. */
bool apply(const InferenceProperties &properties, PluginControl &control, Notices &notices) {
  InferenceConfig &infer = *control.mutable_infer_config();
  PluginControl::InputControl &input = *control.mutable_input_control();
  if (properties.max_batch_size != 0 && properties.max_batch_size != infer.max_batch_size()) {
    infer.set_max_batch_size(properties.max_batch_size);
    notices.push_back(
        {Kind::bus_warning, "Configuration file batch-size reset to: " + std::to_string(properties.max_batch_size), ""});
  }
  if (properties.unique_id != 0 && properties.unique_id != infer.unique_id()) {
    infer.set_unique_id(properties.unique_id);
    notices.push_back(
        {Kind::bus_warning, "Configuration file unique-id reset to: " + std::to_string(properties.unique_id), ""});
  }
  if (properties.process_mode != 0 && properties.process_mode != static_cast<uint32_t>(input.process_mode())) {
    const int mode = static_cast<int>(properties.process_mode);
    if (!PluginControl::ProcessMode_IsValid(mode)) {
      notices.push_back({Kind::bus_error, "Configuration file process_mode " + std::to_string(mode) + " is invalid", ""});
      return false;
    }
    input.set_process_mode(static_cast<PluginControl::ProcessMode>(mode));
    notices.push_back({Kind::bus_warning,
                       "Configuration file process_mode reset to: " + PluginControl::ProcessMode_Name(input.process_mode()),
                       ""});
  }
  if (properties.input_tensor_from_meta && !infer.has_input_tensor_from_meta())
    infer.mutable_input_tensor_from_meta()->set_is_first_dim_batch(true);
  if (properties.interval >= 0) input.set_interval(static_cast<uint32_t>(properties.interval));
  if (input.process_mode() == PluginControl::PROCESS_MODE_DEFAULT) {
    input.set_process_mode(PluginControl::PROCESS_MODE_FULL_FRAME);
    notices.push_back({Kind::log_warning, "Updated process_mode to FULL_FRAME in config", ""});
  }
  return true;
}

} // namespace

std::optional<PluginControl> read_inference_config(const InferenceProperties &properties, Notices &notices) {
  const std::string &path = properties.config_path;
  const std::string where = "Config file path: " + path;
  const auto refused = [&](const std::string &text, const std::string &debug) -> std::optional<PluginControl> {
    notices.push_back({Kind::bus_error, text, debug});
    return std::nullopt;
  };
  const auto invalid = [&] { return refused("Configuration config validatation failed", where); };

  if (path.empty()) return refused("Configuration file not provided", "");
  const auto text = read_file(path);
  if (!text.has_value()) return refused("Configuration file read failed", where);
  PluginControl control;
  // Says on stderr, as the card does, which line and name it does not know.
  if (!google::protobuf::TextFormat::ParseFromString(*text, &control))
    return refused("Configuration file parsing failed", where);
  if (!control.has_infer_config()) {
    refused("Configuration file parsing failed", "Config file: " + path + " doesn't have infer_config");
    return invalid();
  }
  if (!apply(properties, control, notices)) return invalid();
  if (!complete(*control.mutable_infer_config(), path, notices)) {
    refused("Configuration config infer_config validatation failed", where);
    return invalid();
  }
  if (control.input_control().async_mode()) {
    control.mutable_input_control()->set_async_mode(false);
    notices.push_back(
        {Kind::bus_warning,
         "NvInferServer asynchronous mode is applicable for secondaryclassifiers only. Turning off asynchronous mode", ""});
  }
  if (const auto missing = not_done_here(control); missing.has_value())
    return refused("The stand-in of nvinferserver does not do " + *missing, where);
  if (!control.infer_config().has_backend()) {
    refused("Configuration config backend missing", where);
    return refused("Failed to create InferContext", where);
  }
  if (!control.infer_config().backend().has_triton()) {
    refused("Configuration config triton missing", where);
    return refused("Failed to create InferContext", where);
  }
  return control;
}

} // namespace standin
