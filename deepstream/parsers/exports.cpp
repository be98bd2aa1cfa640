/**
 * What nvinferserver calls, by the names in `custom_parse_bbox_func`: kinds of the model repository as parsers of boxes. False
 * fails the request, and with it the element and all cameras: for what is a fault of the model or of its description. A value
 * that is not finite costs its picture alone, in which nothing is found; that is said and counted.
 */

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
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

/** Elements of one kind each have a thread. */
class Report {
public:
  void note(const std::string &problem) {
    const std::lock_guard hold(mutex_);
    report_.pictures += 1;
    report_.failing = !problem.empty();
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

Report centerface_report;
Report end2end_report;
/** Of both kinds of it. */
Report raw_report;

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
bool parse(Said &said, Report &report, const char *kind, const Layers &layers, const NvDsInferParseDetectionParams &params,
           Objects &objects, Read read) {
  // Nothing is thrown but for want of memory, which ends the process: an exception may not cross into the element.
  const sightline::Parsed<sightline::Box> parsed = read();
  report.note(parsed.problem);
  if (!parsed.problem.empty()) {
    say(said.failure, kind, layers, parsed.problem);
    return parsed.problem == sightline::not_finite;
  }
  for (const auto &box : parsed.found)
    if (!append(objects, box, params))
      say(said.label, kind, layers,
          "class " + std::to_string(box.label) + " has no label, of " + std::to_string(params.numClassesConfigured) +
              "; its boxes are left out");
  return true;
}

template <typename Kind>
bool parse_yolo(Said &said, Report &report, const char *kind, const Layers &layers, const NvDsInferParseDetectionParams &params,
                Objects &objects, Kind boxes_of) {
  return parse(said, report, kind, layers, params, objects, [&] {
    return boxes_of(sightline::YoloRequest{layers.data(), layers.size(), params.numClassesConfigured, least_score(params)});
  });
}

} // namespace

SIGHTLINE_PARSER bool SightlineParseCenterFace(const Layers &layers, const NvDsInferNetworkInfo &network,
                                               const NvDsInferParseDetectionParams &params, Objects &objects) noexcept {
  static Said said;
  return parse(said, centerface_report, "centerface", layers, params, objects, [&] {
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

SIGHTLINE_PARSER bool SightlineParseYoloEnd2end(const Layers &layers, const NvDsInferNetworkInfo & /*network*/,
                                                const NvDsInferParseDetectionParams &params, Objects &objects) noexcept {
  static Said said;
  return parse_yolo(said, end2end_report, "yolo_end2end", layers, params, objects, sightline::end2end_boxes_of);
}

SIGHTLINE_PARSER bool SightlineParseYolov7(const Layers &layers, const NvDsInferNetworkInfo & /*network*/,
                                           const NvDsInferParseDetectionParams &params, Objects &objects) noexcept {
  static Said said;
  return parse_yolo(said, raw_report, "yolov7", layers, params, objects, sightline::grid_boxes_of);
}

SIGHTLINE_PARSER bool SightlineParseYolov8(const Layers &layers, const NvDsInferNetworkInfo & /*network*/,
                                           const NvDsInferParseDetectionParams &params, Objects &objects) noexcept {
  static Said said;
  return parse_yolo(said, raw_report, "yolov8", layers, params, objects, sightline::scored_boxes_of);
}

SIGHTLINE_PARSER bool SightlineParserReportOf(const char *kind, SightlineParserReport *report) noexcept {
  Report *of = std::strcmp(kind, "centerface") == 0     ? &centerface_report
               : std::strcmp(kind, "yolo-end2end") == 0 ? &end2end_report
               : std::strcmp(kind, "yolo-raw") == 0     ? &raw_report
                                                        : nullptr;
  if (of == nullptr) return false;
  *report = of->now();
  return true;
}

// Without the noexcept that is ours alone, each is what the element takes it for.
static_assert(std::is_convertible_v<decltype(&SightlineParseCenterFace), NvDsInferParseCustomFunc>);
static_assert(std::is_convertible_v<decltype(&SightlineParseYoloEnd2end), NvDsInferParseCustomFunc>);
static_assert(std::is_convertible_v<decltype(&SightlineParseYolov7), NvDsInferParseCustomFunc>);
static_assert(std::is_convertible_v<decltype(&SightlineParseYolov8), NvDsInferParseCustomFunc>);
static_assert(std::is_convertible_v<decltype(&SightlineParserReportOf), SightlineParserReportFunc>);
