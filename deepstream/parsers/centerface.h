#pragma once

#include <array>
#include <cstddef>

#include "tensors.h"

/**
 * CenterFace (ar_xiv 1911.03599), as src/models/centerface.ts decodes it: per cell of stride 4 a face probability, the log of
 * height and width in cells, the centre's offset (y, x) and five points (y, x) as fractions of the box.
 */
namespace sightline {

struct Point {
  float x;
  float y;
};

/** In pixels of the network's input. */
struct Face {
  float left;
  float top;
  float width;
  float height;
  float score;
  std::array<Point, 5> points;
};

struct CenterFaceMaps {
  /** [rows, columns], 0 to 1. */
  const float *heat;
  /** [2, rows, columns]: log height, log width. */
  const float *scale;
  /** [2, rows, columns]: y, x. */
  const float *offset;
  /** [10, rows, columns]: y, x of each point. */
  const float *points;
  std::size_t rows;
  std::size_t columns;
};

/** Cells of at least `min_score`, before suppression. */
Parsed<Face> decode_centerface(const CenterFaceMaps &maps, float min_score);

/**
 * The same from a model's outputs: of 1, 2, 2 and 10 channels; of the two with 2 the size is the one whose name sorts first.
 * Whoever has the element's tensor metadata gets with this the faces of which its objects were made, with their points.
 */
Parsed<Face> faces_of(const NvDsInferLayerInfo *layers, std::size_t count, const NvDsInferNetworkInfo &network,
                      float min_score);

} // namespace sightline
