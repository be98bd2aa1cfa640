#include "jpeg.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

namespace standin {

namespace {

/** Video's limited range to JPEG's full one. */
struct Ranges {
  std::array<uint8_t, 256> luma{};
  std::array<uint8_t, 256> chroma{};
  Ranges() {
    for (int i = 0; i < 256; ++i) {
      luma[i] = static_cast<uint8_t>(std::clamp((i - 16) * 255.0 / 219.0 + 0.5, 0.0, 255.0));
      chroma[i] = static_cast<uint8_t>(std::clamp((i - 128) * 255.0 / 224.0 + 128.5, 0.0, 255.0));
    }
  }
};

/** Where a sample of the target lies in the source: two neighbours and the share of the second, of 256. */
struct Tap {
  uint32_t first, second, share;
};

std::vector<Tap> taps(uint32_t from, uint32_t size, uint32_t target) {
  std::vector<Tap> all(target);
  const double step = static_cast<double>(size) / target;
  for (uint32_t i = 0; i < target; ++i) {
    const double at = std::clamp((i + 0.5) * step - 0.5, 0.0, static_cast<double>(size - 1));
    const auto first = static_cast<uint32_t>(at);
    all[i] = {from + first, from + std::min(first + 1, size - 1), static_cast<uint32_t>((at - first) * 256.0)};
  }
  return all;
}

uint8_t sample(const Plane &plane, const Tap &x, const Tap &y, uint32_t bytes, uint32_t byte) {
  const uint8_t *upper = plane.data + static_cast<size_t>(y.first) * plane.pitch;
  const uint8_t *lower = plane.data + static_cast<size_t>(y.second) * plane.pitch;
  const size_t a = static_cast<size_t>(x.first) * bytes + byte;
  const size_t b = static_cast<size_t>(x.second) * bytes + byte;
  const uint32_t top = upper[a] * (256 - x.share) + upper[b] * x.share;
  const uint32_t bottom = lower[a] * (256 - x.share) + lower[b] * x.share;
  return static_cast<uint8_t>((top * (256 - y.share) + bottom * y.share + 32768) >> 16);
}

struct Error {
  jpeg_error_mgr manager;
  std::jmp_buf back;
};

void leave(j_common_ptr info) {
  std::longjmp(reinterpret_cast<Error *>(info->err)->back, 1);
}

} // namespace

std::vector<uint8_t> jpeg_of_nv12(const Plane &luma, const Plane &chroma, const CropArea &area, uint32_t width, uint32_t height,
                                  int quality) {
  static const Ranges ranges;
  const std::vector<Tap> luma_x = taps(area.left, area.width, width);
  const std::vector<Tap> luma_y = taps(area.top, area.height, height);
  const std::vector<Tap> chroma_x = taps(area.left / 2, (area.width + 1) / 2, width);
  const std::vector<Tap> chroma_y = taps(area.top / 2, (area.height + 1) / 2, height);
  std::vector<uint8_t> row(static_cast<size_t>(width) * 3);
  unsigned char *data = nullptr;
  unsigned long size = 0;
  jpeg_compress_struct info{};
  Error error{};
  info.err = jpeg_std_error(&error.manager);
  error.manager.error_exit = leave;
  if (setjmp(error.back) != 0) {
    jpeg_destroy_compress(&info);
    std::free(data);
    return {};
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &data, &size);
  info.image_width = width;
  info.image_height = height;
  info.input_components = 3;
  info.in_color_space = JCS_YCbCr;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < height) {
    const uint32_t y = info.next_scanline;
    for (uint32_t x = 0; x < width; ++x) {
      row[3 * x] = ranges.luma[sample(luma, luma_x[x], luma_y[y], 1, 0)];
      row[3 * x + 1] = ranges.chroma[sample(chroma, chroma_x[x], chroma_y[y], 2, 0)];
      row[3 * x + 2] = ranges.chroma[sample(chroma, chroma_x[x], chroma_y[y], 2, 1)];
    }
    JSAMPROW rows[] = {row.data()};
    jpeg_write_scanlines(&info, rows, 1);
  }
  jpeg_finish_compress(&info);
  std::vector<uint8_t> jpeg(data, data + size);
  jpeg_destroy_compress(&info);
  std::free(data);
  return jpeg;
}

} // namespace standin
