#include "tracking/settings.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <yaml-cpp/yaml.h>

namespace standin {

namespace {

template <typename T> void take(const YAML::Node &root, const char *section, const char *key, T &value) {
  const YAML::Node keys = root[section];
  if (!keys.IsDefined()) return;
  const YAML::Node found = keys[key];
  if (found.IsDefined() && !found.IsNull()) value = found.as<T>();
}

void take_flag(const YAML::Node &root, const char *section, const char *key, bool &value) {
  int number = value ? 1 : 0;
  take(root, section, key, number);
  value = number != 0;
}

TrackerSettings settings_of(const YAML::Node &root) {
  TrackerSettings own;
  take(root, "BaseConfig", "minDetectorConfidence", own.min_detector_confidence);
  take(root, "TargetManagement", "maxTargetsPerStream", own.max_targets);
  take(root, "TargetManagement", "probationAge", own.probation_age);
  take(root, "TargetManagement", "maxShadowTrackingAge", own.max_shadow_age);
  take(root, "TargetManagement", "earlyTerminationAge", own.early_termination_age);
  take(root, "TargetManagement", "minIouDiff4NewTarget", own.min_iou_of_new);
  take_flag(root, "TrajectoryManagement", "useUniqueID", own.unique_ids);
  float overall = 0;
  take(root, "DataAssociator", "minMatchingScore4Overall", overall);
  take(root, "DataAssociator", "minMatchingScore4Iou", own.min_matching_iou);
  own.min_matching_iou = std::max(own.min_matching_iou, overall);
  take_flag(root, "DataAssociator", "checkClassMatch", own.check_class);
  int estimator = 0;
  take(root, "StateEstimator", "stateEstimatorType", estimator);
  own.estimates = estimator > 0;
  return own;
}

} // namespace

TrackerSettingsRead read_tracker_settings(const std::string &path) {
  TrackerSettingsRead read;
  if (path.empty()) return read;
  std::ifstream file(path);
  if (!file) {
    read.error = "Config file path is invalid: " + path;
    return read;
  }
  // NVIDIA's files begin with OpenCV's "%YAML:1.0", which is a comment to their reader and an error to others.
  std::ostringstream text;
  for (std::string line; std::getline(file, line);) text << (line.rfind("%YAML:", 0) == 0 ? "" : line) << '\n';
  try {
    const YAML::Node root = YAML::Load(text.str());
    if (!root.IsMap()) {
      read.error = path + ": no sections";
      return read;
    }
    for (const auto &section : root)
      if (!section.second.IsMap()) {
        read.error = path + ": " + section.first.as<std::string>() + " is no section";
        return read;
      }
    read.settings = settings_of(root);
  } catch (const YAML::Exception &error) {
    read.error = path + ": " + error.what();
  }
  return read;
}

} // namespace standin
