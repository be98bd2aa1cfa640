#include "canvas.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace standin {

namespace {

void blend(uint8_t *at, double value, double alpha) {
  *at = static_cast<uint8_t>(std::clamp(*at * (1 - alpha) + value * alpha + 0.5, 0.0, 255.0));
}

} // namespace

void Canvas::rectangle(const NvOSD_RectParams &rect) const {
  if (!std::isfinite(rect.left + rect.top + rect.width + rect.height)) return;
  if (rect.has_bg_color != 0) fill(rect.left, rect.top, rect.width, rect.height, rect.bg_color);
  const double border = rect.border_width;
  if (border <= 0) return;
  fill(rect.left, rect.top, rect.width, border, rect.border_color);
  fill(rect.left, rect.top + rect.height - border, rect.width, border, rect.border_color);
  fill(rect.left, rect.top, border, rect.height, rect.border_color);
  fill(rect.left + rect.width - border, rect.top, border, rect.height, rect.border_color);
}

void Canvas::text(const NvOSD_TextParams &text) const {
  if (text.display_text == nullptr || *text.display_text == 0) return;
  const double size = text.font_params.font_size;
  const double cell = size * 0.6;
  const size_t length = std::strlen(text.display_text);
  if (text.set_bg_clr != 0)
    fill(text.x_offset, text.y_offset, cell * static_cast<double>(length), size * 1.4, text.text_bg_clr);
  for (size_t i = 0; i < length; ++i) {
    if (text.display_text[i] == ' ') continue;
    fill(text.x_offset + cell * static_cast<double>(i), text.y_offset + size * 0.2, cell * 0.8, size,
         text.font_params.font_color);
  }
}

void Canvas::fill(double left, double top, double width, double height, const NvOSD_ColorParams &color) const {
  const NvBufSurfaceParams &params = surface_->surfaceList[index_];
  const auto cut = [](double value, uint32_t limit) {
    return static_cast<uint32_t>(std::clamp(std::round(value), 0.0, static_cast<double>(limit)));
  };
  const uint32_t x0 = cut(left, params.width);
  const uint32_t y0 = cut(top, params.height);
  const uint32_t x1 = cut(left + width, params.width);
  const uint32_t y1 = cut(top + height, params.height);
  if (x1 <= x0 || y1 <= y0) return;
  if (params.colorFormat == NVBUF_COLOR_FORMAT_RGBA) {
    fill_rgba(x0, y0, x1, y1, color);
  } else if (params.colorFormat == NVBUF_COLOR_FORMAT_NV12) {
    fill_nv12(x0, y0, x1, y1, color);
  }
}

void Canvas::fill_nv12(uint32_t left, uint32_t top, uint32_t right, uint32_t bottom, const NvOSD_ColorParams &color) const {
  // BT.601, limited range.
  const double y = 16 + 65.481 * color.red + 128.553 * color.green + 24.966 * color.blue;
  const double u = 128 - 37.797 * color.red - 74.203 * color.green + 112.0 * color.blue;
  const double v = 128 + 112.0 * color.red - 93.786 * color.green - 18.214 * color.blue;
  const Plane luma = plane_of(surface_, index_, 0);
  for (uint32_t row = top; row < bottom; ++row)
    for (uint32_t x = left; x < right; ++x) blend(luma.data + static_cast<size_t>(row) * luma.pitch + x, y, color.alpha);
  const Plane chroma = plane_of(surface_, index_, 1);
  for (uint32_t row = top / 2; row < (bottom + 1) / 2; ++row) {
    for (uint32_t x = left / 2; x < (right + 1) / 2; ++x) {
      uint8_t *at = chroma.data + static_cast<size_t>(row) * chroma.pitch + static_cast<size_t>(x) * 2;
      blend(at, u, color.alpha);
      blend(at + 1, v, color.alpha);
    }
  }
}

void Canvas::fill_rgba(uint32_t left, uint32_t top, uint32_t right, uint32_t bottom, const NvOSD_ColorParams &color) const {
  const Plane plane = plane_of(surface_, index_, 0);
  for (uint32_t row = top; row < bottom; ++row) {
    for (uint32_t x = left; x < right; ++x) {
      uint8_t *at = plane.data + static_cast<size_t>(row) * plane.pitch + static_cast<size_t>(x) * 4;
      blend(at, color.red * 255, color.alpha);
      blend(at + 1, color.green * 255, color.alpha);
      blend(at + 2, color.blue * 255, color.alpha);
    }
  }
}

} // namespace standin
