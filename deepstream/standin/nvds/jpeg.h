#pragma once

#include <cstdint>
#include <vector>

#include "surface.h"

namespace standin {

struct CropArea {
  uint32_t left, top, width, height;
};

/** A baseline JPEG (4:2:0, full range) of an area of NV12 (limited range), scaled bilinearly to `width` x `height`; empty on
 * failure. */
std::vector<uint8_t> jpeg_of_nv12(const Plane &luma, const Plane &chroma, const CropArea &area, uint32_t width, uint32_t height,
                                  int quality);

} // namespace standin
