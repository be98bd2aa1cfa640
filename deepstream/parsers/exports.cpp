/**
 * What nvinferserver calls, by the names in `custom_parse_bbox_func`: kinds of the model repository as parsers of boxes. False
 * fails the request, and with it the element and all cameras: for what is a fault of the model or of its description. A value
 * that is not finite costs its picture alone, in which nothing is found; that is said and counted.
 */

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>

#include "centerface.h"
#include "nvdsinfer_custom_impl.h"
#include "report.h"
#include "yolo.h"

/** Seen from outside the library, which hides everything else. */
#define SIGHTLINE_PARSER extern "C" __attribute__((visibility("default")))

namespace {

using Layers = std::vector<NvDsInferLayerInfo>;
using Objects = std::vector<NvDsInferObjectDetectionInfo>;

/** One line for one cause, not one for each frame: the element asks again until somebody ends it. */
struct Said {
  std::atomic_flag failure = ATOMIC_FLAG_INIT;
  std::atomic_flag label = ATOMIC_FLAG_INIT;
};

/** Written on the element's thread, read on the program's. */
class Report {
public:
  void note(const std::string &problem, bool refused) {
    const std::lock_guard hold(mutex_);
    report_.pictures += 1;
    report_.refused = refused;
    if (problem.empty()) return;
    report_.failures += 1;
    report_.problem[problem.copy(report_.problem, sizeof report_.problem - 1)] = '\0';
  }
  SightlineParserReport now() {
    const std::lock_guard hold(mutex_);
    return report_;
  }

private:
  std::mutex mutex_;
  SightlineParserReport report_{};
};

/** What is kept for one detector. */
struct Detector {
  Said said;
  Report report;
};

/** By `unique_id`, from 1 on. */
std::array<Detector, sightline::most_detectors> detectors;

void say(std::atomic_flag &said, const char *kind, const Layers &layers, const std::string &problem) {
  if (said.test_and_set()) return;
  // The element does not tell a parser the model's name; its outputs' names do.
  const auto outputs = sightline::text_of(sightline::outputs_of(layers.data(), layers.size()));
  std::fprintf(stderr, "parser %s of the model with outputs %s: %s\n", kind, outputs.c_str(), problem.c_str());
}

/** The least that any class asks for; each class's own is applied by `append`. */
float least_score(const NvDsInferParseDetectionParams &params) {
  const auto &scores = params.perClassPreclusterThreshold;
  return scores.empty() ? 0 : *std::min_element(scores.begin(), scores.end());
}

/** The element counts objects by class without looking: one beyond the configured classes would write past its end. */
bool append(Objects &objects, const sightline::Box &box, const NvDsInferParseDetectionParams &params) {
  if (box.label >= params.numClassesConfigured) return false;
  const auto &scores = params.perClassPreclusterThreshold;
  if (box.label < scores.size() && box.score < scores[box.label]) return true;
  NvDsInferObjectDetectionInfo object{};
  object.classId = static_cast<unsigned>(box.label);
  object.left = box.left;
  object.top = box.top;
  object.width = box.width;
  object.height = box.height;
  object.detectionConfidence = box.score;
  objects.push_back(object);
  return true;
}

template <typename Read>
bool parse(Detector &of, const char *kind, const Layers &layers, const NvDsInferParseDetectionParams &params, Objects &objects,
           Read read) {
  // Nothing is thrown but for want of memory, which ends the process: an exception may not cross into the element.
  const sightline::Parsed<sightline::Box> parsed = read();
  const bool refused = !parsed.problem.empty() && parsed.problem != sightline::not_finite;
  of.report.note(parsed.problem, refused);
  if (!parsed.problem.empty()) {
    say(of.said.failure, kind, layers, parsed.problem);
    return !refused;
  }
  for (const auto &box : parsed.found)
    if (!append(objects, box, params))
      say(of.said.label, kind, layers,
          "class " + std::to_string(box.label) + " has no label, of " + std::to_string(params.numClassesConfigured) +
              "; its boxes are left out");
  return true;
}

template <typename Kind>
bool parse_yolo(Detector &of, const char *kind, const Layers &layers, const NvDsInferParseDetectionParams &params,
                Objects &objects, Kind boxes_of) {
  return parse(of, kind, layers, params, objects, [&] {
    return boxes_of(sightline::YoloRequest{layers.data(), layers.size(), params.numClassesConfigured, least_score(params)});
  });
}

bool parse_centerface(Detector &of, const Layers &layers, const NvDsInferNetworkInfo &network,
                      const NvDsInferParseDetectionParams &params, Objects &objects) {
  return parse(of, "centerface", layers, params, objects, [&] {
    auto faces = sightline::faces_of(layers.data(), layers.size(), network, least_score(params));
    sightline::Parsed<sightline::Box> boxes{{}, std::move(faces.problem)};
    // The last class: nvtracker knows objects of several detectors by the class's number alone, so that faces are given one
    // that no other detector has.
    const std::size_t label = std::max(params.numClassesConfigured, 1U) - 1;
    for (const auto &face : faces.found)
      boxes.found.push_back({face.left, face.top, face.width, face.height, face.score, label});
    return boxes;
  });
}

} // namespace

// The element tells a parser no model: so each detector has parsers of its own, which end in its `unique_id`. Without the
// noexcept that is ours alone, each is what the element takes it for.
#define SIGHTLINE_PARSER_AS(NAME, RESULT)                                                                                      \
  SIGHTLINE_PARSER bool NAME(const Layers &layers, [[maybe_unused]] const NvDsInferNetworkInfo &network,                       \
                             const NvDsInferParseDetectionParams &params, Objects &objects) noexcept {                         \
    return RESULT;                                                                                                             \
  }                                                                                                                            \
  static_assert(std::is_convertible_v<decltype(&NAME), NvDsInferParseCustomFunc>);
#define SIGHTLINE_YOLO_AS(NAME, ID, KIND, BOXES)                                                                               \
  SIGHTLINE_PARSER_AS(NAME, parse_yolo(detectors[(ID)-1], KIND, layers, params, objects, sightline::BOXES))
#define SIGHTLINE_DETECTOR(ID)                                                                                                 \
  static_assert((ID) <= sightline::most_detectors);                                                                            \
  SIGHTLINE_PARSER_AS(SightlineParseCenterFace_##ID, parse_centerface(detectors[(ID)-1], layers, network, params, objects))    \
  SIGHTLINE_YOLO_AS(SightlineParseYoloEnd2end_##ID, ID, "yolo_end2end", end2end_boxes_of)                                      \
  SIGHTLINE_YOLO_AS(SightlineParseYolov7_##ID, ID, "yolov7", grid_boxes_of)                                                    \
  SIGHTLINE_YOLO_AS(SightlineParseYolov8_##ID, ID, "yolov8", scored_boxes_of)

SIGHTLINE_DETECTOR(1)
SIGHTLINE_DETECTOR(2)
SIGHTLINE_DETECTOR(3)
SIGHTLINE_DETECTOR(4)
SIGHTLINE_DETECTOR(5)
SIGHTLINE_DETECTOR(6)
SIGHTLINE_DETECTOR(7)
SIGHTLINE_DETECTOR(8)

SIGHTLINE_PARSER bool SightlineParserReportOf(unsigned unique_id, SightlineParserReport *report) noexcept {
  if (unique_id == 0 || unique_id > detectors.size()) return false;
  *report = detectors[unique_id - 1].report.now();
  return true;
}

static_assert(std::is_convertible_v<decltype(&SightlineParserReportOf), SightlineParserReportFunc>);
