#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>

#include <nlohmann/json.hpp>

#include "inference/backend.h"

namespace standin {

namespace {

using nlohmann::json;

constexpr size_t kFewestRows = 100;

struct ScriptBox {
  float left, top, width, height;
};
using Clip = std::map<int, std::vector<ScriptBox>>;

/** A number that JSON cannot say is null there. */
float number(const json &value) {
  return value.is_null() ? std::numeric_limits<float>::quiet_NaN() : value.get<float>();
}

Clip read_clip(const std::string &path, const std::string &objects) {
  std::ifstream file(path);
  const json recorded = json::parse(file);
  Clip clip;
  for (const json &frame : recorded.at("frames")) {
    auto &boxes = clip[frame.at("i").get<int>()];
    if (!frame.contains(objects)) continue;
    for (const json &object : frame.at(objects)) {
      const json &box = object.at("box");
      boxes.push_back({number(box.at(0)), number(box.at(1)), number(box.at(2)), number(box.at(3))});
    }
  }
  return clip;
}

/** Tensors in one piece of memory each, for a batch. */
struct Tensors {
  std::vector<int32_t> counts;
  std::vector<float> boxes;
  std::vector<float> scores;
  std::vector<int32_t> classes;
};

template <typename T>
OutputTensor tensor_of(const char *name, NvDsInferDataType type, std::vector<int64_t> shape, const std::vector<T> &values) {
  return {name, type, std::move(shape), reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(T)};
}

class Script : public InferenceBackend {
public:
  Script(const json &own, const inference::InferenceConfig &config)
      : class_id_(own.value("class", 0)), score_(own.value("score", 0.9F)), input_(input_of(config.preprocess())) {
    const auto objects = own.at("objects").get<std::string>();
    for (const auto &[source, path] : own.at("clips").items()) clips_[source] = read_clip(path.get<std::string>(), objects);
    const auto &dims = config.backend().inputs(0).dims();
    input_.height = dims.Get(1);
    input_.width = dims.Get(2);
  }

  const NetworkInput &input() const override { return input_; }
  bool wants_pixels() const override { return false; }

  std::future<Answer> ask(const std::vector<InferenceFrame> &frames, std::string) override {
    std::vector<std::vector<ScriptBox>> all;
    size_t rows = kFewestRows;
    for (const InferenceFrame &frame : frames) {
      all.push_back(boxes_of(frame));
      rows = std::max(rows, all.back().size());
    }
    const auto tensors = std::make_shared<Tensors>();
    for (const std::vector<ScriptBox> &boxes : all) add(*tensors, boxes, rows);
    const auto batch = static_cast<int64_t>(frames.size());
    const auto count = static_cast<int64_t>(rows);
    Answer answer;
    answer.tensors = {tensor_of("det_boxes", FLOAT, {batch, count, 4}, tensors->boxes),
                      tensor_of("det_classes", INT32, {batch, count}, tensors->classes),
                      tensor_of("det_scores", FLOAT, {batch, count}, tensors->scores),
                      tensor_of("num_dets", INT32, {batch, 1}, tensors->counts)};
    answer.keep = tensors;
    std::promise<Answer> promise;
    promise.set_value(std::move(answer));
    return promise.get_future();
  }

private:
  std::vector<ScriptBox> boxes_of(const InferenceFrame &frame) const {
    auto clip = clips_.find(std::to_string(frame.meta->source_id));
    if (clip == clips_.end()) clip = clips_.find("*");
    if (clip == clips_.end()) return {};
    const auto found = clip->second.find(frame.meta->frame_num);
    if (found == clip->second.end()) return {};
    // The recorded boxes are on the source's picture, which lies in the multiplexer's with bands around it.
    const Letterbox source =
        letterbox(static_cast<int>(frame.meta->source_frame_width), static_cast<int>(frame.meta->source_frame_height),
                  static_cast<int>(frame.width), static_cast<int>(frame.height), true, true);
    const auto x = [&](float value) { return (value * source.scale_x + source.left) * frame.place.scale_x + frame.place.left; };
    const auto y = [&](float value) { return (value * source.scale_y + source.top) * frame.place.scale_y + frame.place.top; };
    std::vector<ScriptBox> boxes;
    for (const ScriptBox &box : found->second)
      boxes.push_back({static_cast<float>(x(box.left)), static_cast<float>(y(box.top)),
                       static_cast<float>(x(box.left + box.width) - x(box.left)),
                       static_cast<float>(y(box.top + box.height) - y(box.top))});
    return boxes;
  }

  void add(Tensors &tensors, const std::vector<ScriptBox> &boxes, size_t rows) const {
    tensors.counts.push_back(static_cast<int32_t>(boxes.size()));
    for (const ScriptBox &box : boxes)
      tensors.boxes.insert(tensors.boxes.end(), {box.left, box.top, box.left + box.width, box.top + box.height});
    tensors.boxes.resize(tensors.boxes.size() + (rows - boxes.size()) * 4, 0);
    tensors.scores.insert(tensors.scores.end(), boxes.size(), score_);
    tensors.scores.resize(tensors.scores.size() + rows - boxes.size(), 0);
    tensors.classes.insert(tensors.classes.end(), rows, class_id_);
  }

  int32_t class_id_;
  float score_;
  std::map<std::string, Clip> clips_;
  NetworkInput input_;
};

} // namespace

std::unique_ptr<InferenceBackend> open_script(const std::string &path, const inference::InferenceConfig &config,
                                              Notices &notices) {
  try {
    std::ifstream file(path);
    const json script = json::parse(file);
    if (config.backend().inputs_size() != 1 || config.backend().inputs(0).dims_size() != 3) {
      notices.push_back({Notice::Kind::log_error, "a script needs backend.inputs with three dims", ""});
      return nullptr;
    }
    return std::make_unique<Script>(script.at(std::to_string(config.unique_id())), config);
  } catch (const json::exception &error) {
    notices.push_back({Notice::Kind::log_error,
                       "script " + path + " for unique_id " + std::to_string(config.unique_id()) + ": " + error.what(), ""});
    return nullptr;
  }
}

} // namespace standin
