// The tracker's low-level configuration: the keys that mean something without a card, of the library's YAML.
#pragma once

#include <optional>
#include <string>

namespace standin {

/** Defaults are those of NVIDIA's own IOU file, but for what is only known to exist. */
struct TrackerSettings {
  float min_detector_confidence = 0;
  unsigned max_targets = 150;
  unsigned probation_age = 4;
  unsigned max_shadow_age = 38;
  unsigned early_termination_age = 1;
  /** A box that overlaps a living track more than this begins none. */
  float min_iou_of_new = 0.5F;
  float min_matching_iou = 0;
  bool check_class = true;
  bool unique_ids = false;
  /** Whether boxes move on between sightings (stateEstimatorType above 0). */
  bool estimates = false;
};

/** The reason where the file cannot be read or is no YAML of sections. No path: defaults, as the card. */
struct TrackerSettingsRead {
  TrackerSettings settings;
  std::optional<std::string> error;
};
TrackerSettingsRead read_tracker_settings(const std::string &path);

} // namespace standin
