#include "detector_trouble.h"

namespace sightline::app {
namespace {

constexpr std::int64_t trouble_us = 5'000'000;

} // namespace

bool DetectorTrouble::look(std::uint64_t failures, std::int64_t now_us) {
  if (failures != failures_) until_us_ = now_us + trouble_us;
  failures_ = failures;
  return now_us < until_us_;
}

std::vector<std::string> models_of(const std::vector<DetectorSettings> &detectors, DetectorKind kind) {
  std::vector<std::string> models;
  for (const auto &detector : detectors)
    if (detector.kind == kind) models.push_back(detector.model);
  return models;
}

std::string problem_of(const std::vector<std::string> &models, const std::string &problem) {
  if (models.size() < 2) return problem;
  std::string text = "one of ";
  for (std::size_t i = 0; i < models.size(); i += 1) text += (i == 0 ? "" : ", ") + models[i];
  return text + ": " + problem;
}

} // namespace sightline::app
