#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "geometry.h"

/** How much an embedding of a crop can be worth: src/models/quality.ts in C++, held to the same golden values. */
namespace sightline::app {

struct Grey {
  int width = 0;
  int height = 0;
  /** Row by row without padding. */
  std::vector<std::uint8_t> pixels;
};

struct CropMeasure {
  const Grey &grey;
  /** The detection's box and points in pixels of `grey`. */
  Box box;
  std::optional<FivePoints> landmarks;
  /** Detector confidence, 0 to 1. */
  double score;
  /** Share of the box inside the frame, 0 to 1. */
  double visible;
  /** Height of the box in source pixels. */
  double height_px;
};

struct Quality {
  double height_px;
  double sharpness;
  double roll_degrees;
  double yaw;
  double visible;
  double score;
  double overall;
};

/** Quality of a detection's crop; a face when it has landmarks. */
Quality assess_crop(const CropMeasure &measure);

/** What the quality can be at best, before there are pixels: as if it were as sharp as can be. */
double best_quality(const std::optional<FivePoints> &landmarks, double score, double visible, double height_px);

/** Detectors clip boxes to the frame; what lies beyond shows in the points alone. */
double visible_share(const std::optional<FivePoints> &points, const Size &frame);

/** The brightness of a JPEG, scaled to nothing; absent where it is none, or has a side of more than `most_side`. */
std::optional<Grey> grey_of_jpeg(const std::uint8_t *data, std::size_t size, int most_side);

} // namespace sightline::app
