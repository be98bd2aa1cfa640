// Filled rectangles on NV12 or RGBA, and blocks that stand for text: whether something was drawn, where and how long it is can
// be seen; it cannot be read.
#pragma once

#include "nvll_osd_struct.h"
#include "surface.h"

namespace standin {

class Canvas {
public:
  Canvas(const NvBufSurface *surface, uint32_t index) : surface_(surface), index_(index) {}

  void rectangle(const NvOSD_RectParams &rect) const;
  void text(const NvOSD_TextParams &text) const;

private:
  void fill(double left, double top, double width, double height, const NvOSD_ColorParams &color) const;
  void fill_nv12(uint32_t left, uint32_t top, uint32_t right, uint32_t bottom, const NvOSD_ColorParams &color) const;
  void fill_rgba(uint32_t left, uint32_t top, uint32_t right, uint32_t bottom, const NvOSD_ColorParams &color) const;

  const NvBufSurface *surface_;
  uint32_t index_;
};

} // namespace standin
