#pragma once

#include <optional>
#include <vector>

#include "geometry.h"

/** Parts of a camera's picture that are black in everything made from it. Pure; as src/software-worker/masks.ts. */
namespace sightline::app {

/** Corners as fractions of the camera's picture: three or more, from 0 to 1. */
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
 * What covers the polygons, with `picture` the place of the camera's picture in one of size `into`; absent: it is not known,
 * and all is covered. A strip covers all that a polygon has of its rows, so that a mask is never smaller than what was drawn:
 * slanted sides have steps, of 2 pixels, or of as many more as keep to `most_strips`. A polygon without area may cover nothing.
 */
std::vector<Strip> strips_of(const std::vector<Polygon> &polygons, const std::optional<Box> &picture, const Size &into);

} // namespace sightline::app
