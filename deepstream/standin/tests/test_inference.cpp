// The parts of nvinferserver that are no element: settings, the way into a network, what becomes of boxes. Golden values:
// tools/golden/standin.py (OpenCV, numpy).
#include <catch2/catch.hpp>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "inference/boxes.h"
#include "inference/config.h"
#include "inference/letterbox.h"

namespace {

using nlohmann::json;
using standin::Detections;
using standin::Letterbox;
using standin::Notice;
using standin::Notices;

json golden() {
  std::ifstream file(std::string(GOLDEN) + "/standin-input.json");
  return json::parse(file);
}

/** A file that is gone with its object. */
class File {
public:
  explicit File(const std::string &text) {
    const int file = mkstemp(path_);
    REQUIRE(file >= 0);
    REQUIRE(write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    close(file);
  }
  ~File() { unlink(path_); }
  File(const File &) = delete;
  File &operator=(const File &) = delete;
  std::string path() const { return path_; }

private:
  char path_[32] = "/tmp/standin-config-XXXXXX";
};

const std::string kWhole = R"(
infer_config {
  unique_id: 3
  gpu_ids: [0]
  max_batch_size: 4
  backend {
    inputs [ { name: "images" dims: [3, 640, 640] } ]
    outputs [ { name: "det_boxes" } ]
    triton { model_name: "yolov7" version: -1 grpc { url: "127.0.0.1:8001" enable_cuda_buffer_sharing: false } }
    output_mem_type: MEMORY_TYPE_CPU
  }
  preprocess {
    network_format: IMAGE_FORMAT_RGB
    tensor_order: TENSOR_ORDER_LINEAR
    maintain_aspect_ratio: 1
    symmetric_padding: 1
    frame_scaling_filter: 1
    normalize { scale_factor: 0.0039215697906911373 channel_offsets: [0, 0, 0] }
  }
  postprocess {
    detection {
      num_detected_classes: 2
      custom_parse_bbox_func: "Parse"
      per_class_params { key: 1 value { pre_threshold: 0.35 } }
      simple_cluster { threshold: 0.3 }
    }
  }
  custom_lib { path: "/opt/parser.so" }
}
input_control { process_mode: PROCESS_MODE_FULL_FRAME interval: 2 }
output_control { output_tensor_meta: true detect_control { default_filter { bbox_filter { min_width: 8 } } } }
)";

std::string with(const std::string &from, const std::string &to) {
  std::string text = kWhole;
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

struct Outcome {
  std::optional<standin::inference::PluginControl> control;
  Notices notices;
};

Outcome read(const std::string &text, standin::InferenceProperties properties = {}) {
  const File file(text);
  properties.config_path = file.path();
  Outcome outcome;
  outcome.control = standin::read_inference_config(properties, outcome.notices);
  return outcome;
}

std::string first_error(const Outcome &outcome) {
  for (const Notice &notice : outcome.notices)
    if (notice.kind == Notice::Kind::bus_error) return notice.text;
  return "";
}

NvDsInferObjectDetectionInfo box(unsigned class_id, float score, float left = 0, float top = 0, float width = 10,
                                 float height = 10) {
  return {class_id, left, top, width, height, score, 0};
}

struct Frame {
  std::vector<uint8_t> luma;
  std::vector<uint8_t> chroma;
  standin::Nv12 view;
};

/** As frame() of tools/golden/standin.py. */
Frame frame_of(int width, int height) {
  Frame frame;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      frame.luma.push_back(static_cast<uint8_t>(16 + (x * 5 + y * 3 + (x / 8 + y / 8) % 2 * 60) % 220));
  for (int y = 0; y < height / 2; ++y)
    for (int x = 0; x < width / 2; ++x) {
      frame.chroma.push_back(static_cast<uint8_t>(16 + (x * 3 + y * 2) % 224));
      frame.chroma.push_back(static_cast<uint8_t>(16 + (x * 2 + y * 5) % 224));
    }
  const auto pitch = static_cast<size_t>(width);
  frame.view = {frame.luma.data(), pitch, frame.chroma.data(), pitch, width, height};
  return frame;
}

} // namespace

TEST_CASE("a whole configuration is read") {
  const Outcome outcome = read(kWhole);
  REQUIRE(outcome.control.has_value());
  CHECK(outcome.control->infer_config().unique_id() == 3);
  CHECK(outcome.control->infer_config().backend().inputs(0).dims(2) == 640);
  CHECK(outcome.control->input_control().interval() == 2);
  CHECK(first_error(outcome).empty());
}

TEST_CASE("what the card refuses is refused in its words") {
  CHECK(first_error(read(with("num_detected_classes", "num_classes"))) == "Configuration file parsing failed");
  // maintain_aspect_ratio is a number there.
  CHECK(first_error(read(with("maintain_aspect_ratio: 1", "maintain_aspect_ratio: true"))) ==
        "Configuration file parsing failed");
  CHECK(first_error(read("output_control { output_tensor_meta: true }")) == "Configuration file parsing failed");
  CHECK(first_error(read(with("gpu_ids: [0]", "gpu_ids: [0, 1]"))) == "Configuration config infer_config validatation failed");
  CHECK(first_error(read(with("postprocess {", "postprocess { labelfile_path: \"no/such/labels.txt\""))) ==
        "Configuration config infer_config validatation failed");
  standin::Notices notices;
  CHECK_FALSE(standin::read_inference_config({}, notices).has_value());
  CHECK(notices.at(0).text == "Configuration file not provided");
}

TEST_CASE("what the stand-in does not do is refused and not passed over") {
  CHECK_THAT(first_error(read(with("simple_cluster { threshold: 0.3 }", "dbscan { eps: 0.1 }"))), Catch::Contains("dbscan"));
  CHECK_THAT(first_error(read(with("enable_cuda_buffer_sharing: false", "enable_cuda_buffer_sharing: true"))),
             Catch::Contains("enable_cuda_buffer_sharing"));
  CHECK_THAT(first_error(read(with("PROCESS_MODE_FULL_FRAME", "PROCESS_MODE_CLIP_OBJECTS"))), Catch::Contains("CLIP_OBJECTS"));
  CHECK_THAT(first_error(read(with("max_batch_size: 4", "max_batch_size: 4 clip_object_outside_roi: true"))),
             Catch::Contains("clip_object_outside_roi"));
}

TEST_CASE("properties win over the file") {
  standin::InferenceProperties properties;
  properties.max_batch_size = 12;
  properties.interval = 5;
  const Outcome outcome = read(kWhole, properties);
  REQUIRE(outcome.control.has_value());
  CHECK(outcome.control->infer_config().max_batch_size() == 12);
  CHECK(outcome.control->input_control().interval() == 5);
  CHECK(outcome.notices.at(0).text == "Configuration file batch-size reset to: 12");
}

TEST_CASE("a frame lies in the network's input where the card puts it") {
  const json made = golden();
  const auto frame_size = made.at("frame");
  const auto network_size = made.at("network");
  for (const json &expected : made.at("cases")) {
    const Letterbox place = standin::letterbox(frame_size[0], frame_size[1], network_size[0], network_size[1], true,
                                               expected.at("symmetric").get<bool>());
    CHECK(place.left == expected["place"]["left"]);
    CHECK(place.top == expected["place"]["top"]);
    CHECK(place.width == expected["place"]["width"]);
    CHECK(place.height == expected["place"]["height"]);
    CHECK(place.scale_x == Approx(expected["place"]["scaleX"].get<double>()));
    CHECK(place.scale_y == Approx(expected["place"]["scaleY"].get<double>()));
  }
  const Letterbox stretched = standin::letterbox(1920, 1080, 640, 640, false, true);
  CHECK(stretched.width == 640);
  CHECK(stretched.height == 640);
}

TEST_CASE("pixels come out as OpenCV's") {
  const json made = golden();
  const Frame frame = frame_of(made["frame"][0], made["frame"][1]);
  for (const json &expected : made.at("cases")) {
    standin::NetworkInput input;
    input.width = made["network"][0];
    input.height = made["network"][1];
    const Letterbox place = standin::letterbox(frame.view.width, frame.view.height, input.width, input.height, true,
                                               expected.at("symmetric").get<bool>());
    const auto rgb = expected.at("rgb").get<std::vector<float>>();
    std::vector<float> out(rgb.size());
    standin::fill_input(frame.view, place, input, reinterpret_cast<uint8_t *>(out.data()));
    float worst = 0;
    for (size_t i = 0; i < rgb.size(); ++i) worst = std::max(worst, std::abs(out[i] - rgb[i]));
    // Planes are rounded to whole values before the colours are made.
    CHECK(worst < 2.6F);

    // Blue first, pixel by pixel, with an offset and a scale: the same values elsewhere.
    input.bgr = true;
    input.planar = false;
    input.scale = 0.5F;
    input.offsets[0] = 8;
    std::vector<float> other(rgb.size());
    standin::fill_input(frame.view, place, input, reinterpret_cast<uint8_t *>(other.data()));
    const size_t area = rgb.size() / 3;
    for (size_t pixel = 0; pixel < area; pixel += 37) {
      CHECK(other[pixel * 3] == (out[2 * area + pixel] - 8) / 2);
      CHECK(other[pixel * 3 + 1] == out[area + pixel] / 2);
      CHECK(other[pixel * 3 + 2] == out[pixel] / 2);
    }
  }
}

TEST_CASE("half precision is numpy's") {
  const json made = golden();
  for (const json &pair : made.at("halves")) {
    const float single = pair["single"].is_null() ? std::numeric_limits<float>::infinity() : pair["single"].get<float>();
    INFO(single);
    CHECK(standin::half_of(single) == pair["half"].get<int>());
  }
  CHECK((standin::half_of(std::numeric_limits<float>::quiet_NaN()) & 0x7fff) > 0x7c00);
}

TEST_CASE("suppression keeps what OpenCV keeps, best first, class by class") {
  const json made = golden().at("nms");
  standin::inference::DetectionParams config;
  config.set_num_detected_classes(1);
  config.mutable_nms()->set_confidence_threshold(made["threshold"].get<float>());
  config.mutable_nms()->set_iou_threshold(made["iou"].get<float>());
  NvDsInferParseDetectionParams params;
  REQUIRE(standin::detection_params(config, params));
  Detections all;
  for (size_t i = 0; i < made["boxes"].size(); ++i) {
    const auto at = made["boxes"][i].get<std::vector<float>>();
    all.push_back(box(0, made["scores"][i].get<float>(), at[0], at[1], at[2], at[3]));
  }
  const Detections kept = standin::clustered(config, params, all);
  const auto expected = made["kept"].get<std::vector<size_t>>();
  REQUIRE(kept.size() == expected.size());
  for (size_t i = 0; i < kept.size(); ++i) CHECK(kept[i].left == all[expected[i]].left);
  config.mutable_nms()->set_topk(2);
  CHECK(standin::clustered(config, params, all).size() == 2);
  config.set_num_detected_classes(2);
  REQUIRE(standin::detection_params(config, params));
  CHECK(standin::clustered(config, params, {box(0, 0.9F), box(1, 0.9F)}).size() == 2);
}

TEST_CASE("thresholds hold whatever the parser did, and classes that do not exist are dropped") {
  standin::inference::DetectionParams config;
  config.set_num_detected_classes(2);
  config.mutable_simple_cluster()->set_threshold(0.3F);
  (*config.mutable_per_class_params())[1].set_pre_threshold(0.6F);
  NvDsInferParseDetectionParams params;
  REQUIRE(standin::detection_params(config, params));
  CHECK(params.perClassPreclusterThreshold == std::vector<float>{0.3F, 0.6F});
  const Detections kept =
      standin::clustered(config, params, {box(0, 0.29F), box(0, 0.31F), box(1, 0.5F), box(1, 0.6F), box(2, 0.9F)});
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].detectionConfidence == 0.31F);
  CHECK(kept[1].detectionConfidence == 0.6F);
  (*config.mutable_per_class_params())[2].set_pre_threshold(0.6F);
  CHECK_FALSE(standin::detection_params(config, params));
}

TEST_CASE("boxes go back to the frame they were found on") {
  const Letterbox place = standin::letterbox(1920, 1080, 640, 640, true, true);
  const standin::FrameBox found = standin::on_frame(box(0, 1, 100, 240, 20, 40), place);
  CHECK(found.left == Approx(300));
  CHECK(found.top == Approx(300));
  CHECK(found.width == Approx(60));
  CHECK(found.height == Approx(120));
}

TEST_CASE("filters look at the frame's pixels, and max_height at the width") {
  standin::inference::PluginControl control;
  auto *sizes = control.mutable_output_control()->mutable_detect_control()->mutable_default_filter()->mutable_bbox_filter();
  control.mutable_output_control()->mutable_detect_control()->add_filter_out_class_ids(4);
  const auto *filter = standin::filter_of(control, 0);
  REQUIRE(filter != nullptr);
  sizes->set_min_width(20);
  CHECK_FALSE(standin::passes(*filter, {0, 0, 19, 100}, 1080));
  sizes->set_max_height(50);
  CHECK(standin::passes(*filter, {0, 0, 30, 100}, 1080));
  CHECK_FALSE(standin::passes(*filter, {0, 0, 60, 40}, 1080));
  CHECK(standin::is_filtered_out(control, 4));
  // A filter of any kind takes away what hangs over the lower edge.
  CHECK_FALSE(standin::passes(*filter, {0, 1000, 30, 100}, 1080));
  CHECK(standin::filter_of({}, 0) == nullptr);
}
