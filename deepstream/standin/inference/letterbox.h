// From a frame to the input of a network: where the picture lies in it, and its pixels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace standin {

/** Where a picture lies in another, and how to get back: pixel of the source = (pixel - offset) / scale. */
struct Letterbox {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
  double scale_x = 1;
  double scale_y = 1;
};

/** As nvinferserver places it: both sizes cut to even numbers, bands at the right and below unless `symmetric`. */
Letterbox letterbox(int from_width, int from_height, int to_width, int to_height, bool keep_aspect, bool symmetric);

struct Nv12 {
  const uint8_t *luma;
  size_t luma_pitch;
  const uint8_t *chroma;
  size_t chroma_pitch;
  int width;
  int height;
};

enum class TensorType { fp32, fp16, uint8 };
size_t bytes_of(TensorType type);

struct NetworkInput {
  int width = 0;
  int height = 0;
  bool bgr = false;
  bool planar = true; // NCHW, else NHWC
  TensorType type = TensorType::fp32;
  float scale = 1;
  float offsets[3] = {0, 0, 0}; // in the order of the network's channels
};

/**
 * (pixel - offset) * scale of each of three channels into `out`, which has room for all of the network's input. Bilinear with
 * the centres of pixels on each other, BT.601 in the limited range, black bands. What a card's scaler does to the last bit is
 * unknown.
 */
void fill_input(const Nv12 &frame, const Letterbox &place, const NetworkInput &input, uint8_t *out);

uint16_t half_of(float value);

} // namespace standin
