#pragma once

#include <vector>

#include "geometry.h"

/** Parts of a camera's picture that are black in everything made from it. Pure; as src/software-worker/masks.ts. */
namespace sightline::app {

/** Corners as fractions of the camera's picture. */
using Polygon = std::vector<Point>;

/** In pixels of the multiplexer's picture; all even, for four pixels share their chroma. */
struct Strip {
  unsigned left = 0;
  unsigned top = 0;
  unsigned width = 0;
  unsigned height = 0;
};

/** Each strip is two writes to the card for each picture. */
constexpr std::size_t most_strips = 96;

/**
 * What covers the polygons, with `picture` the place of the camera's picture in one of size `into`. A strip covers all that a
 * polygon has of its rows, so that a mask is never smaller than what was drawn: slanted sides have steps, of 2 pixels, or of as
 * many more as keep to `most_strips`.
 */
std::vector<Strip> strips_of(const std::vector<Polygon> &polygons, const Box &picture, const Size &into);

} // namespace sightline::app
