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
  double heightPx;
};

struct Quality {
  double heightPx;
  double sharpness;
  double rollDegrees;
  double yaw;
  double visible;
  double score;
  double overall;
};

/** Quality of a detection's crop; a face when it has landmarks. */
Quality assessCrop(const CropMeasure &measure);

/** What the quality can be at best, before there are pixels: as if it were as sharp as can be. */
double bestQuality(const std::optional<FivePoints> &landmarks, double score, double visible, double heightPx);

/** Detectors clip boxes to the frame; what lies beyond shows in the points alone. */
double visibleShare(const std::optional<FivePoints> &points, const Size &frame);

/** The brightness of a JPEG, scaled to nothing; absent where it is none, or has a side of more than `mostSide`. */
std::optional<Grey> greyOfJpeg(const std::uint8_t *data, std::size_t size, int mostSide);

} // namespace sightline::app
