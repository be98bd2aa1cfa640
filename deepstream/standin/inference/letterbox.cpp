#include "inference/letterbox.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

namespace standin {

namespace {

int even(int value) {
  return value & ~1;
}

/** The two neighbours of a sample and how much the second one counts, out of 256. */
struct Tap {
  int first;
  int second;
  int weight;
};

std::vector<Tap> taps(int from, int to) {
  std::vector<Tap> result(static_cast<size_t>(to));
  const double step = static_cast<double>(from) / to;
  for (int i = 0; i < to; ++i) {
    const double at = std::clamp((i + 0.5) * step - 0.5, 0.0, from - 1.0);
    const int first = static_cast<int>(at);
    result[static_cast<size_t>(i)] = {first, std::min(first + 1, from - 1), static_cast<int>(std::lround((at - first) * 256))};
  }
  return result;
}

int mix(int a, int b, int weight) {
  return a * (256 - weight) + b * weight;
}

/** One channel of a plane whose samples lie `step` bytes apart. */
int sample(const uint8_t *upper, const uint8_t *lower, int row_weight, const Tap &x, int step) {
  const int top = mix(upper[x.first * step], upper[x.second * step], x.weight);
  const int bottom = mix(lower[x.first * step], lower[x.second * step], x.weight);
  return (mix(top, bottom, row_weight) + (1 << 15)) >> 16;
}

std::array<int, 3> rgb_of(int y, int u, int v) {
  const int c = 298 * (y - 16) + 128;
  const int d = u - 128;
  const int e = v - 128;
  return {std::clamp((c + 409 * e) >> 8, 0, 255), std::clamp((c - 100 * d - 208 * e) >> 8, 0, 255),
          std::clamp((c + 516 * d) >> 8, 0, 255)};
}

/** A pixel has but 256 values: what each becomes in the tensor, for each channel. */
class Values {
public:
  explicit Values(const NetworkInput &input) : size_(bytes_of(input.type)), bytes_(3 * 256 * size_) {
    for (size_t channel = 0; channel < 3; ++channel)
      for (size_t pixel = 0; pixel < 256; ++pixel) {
        const float value = (static_cast<float>(pixel) - input.offsets[channel]) * input.scale;
        uint8_t *at = bytes_.data() + (channel * 256 + pixel) * size_;
        if (input.type == TensorType::fp32) {
          std::memcpy(at, &value, sizeof value);
        } else if (input.type == TensorType::fp16) {
          const uint16_t half = half_of(value);
          std::memcpy(at, &half, sizeof half);
        } else {
          *at = static_cast<uint8_t>(std::clamp(value, 0.0F, 255.0F));
        }
      }
  }
  void put(uint8_t *out, size_t channel, int pixel) const {
    std::memcpy(out, bytes_.data() + (channel * 256 + static_cast<size_t>(pixel)) * size_, size_);
  }

private:
  size_t size_;
  std::vector<uint8_t> bytes_;
};

} // namespace

Letterbox letterbox(int from_width, int from_height, int to_width, int to_height, bool keep_aspect, bool symmetric) {
  const int source_width = even(from_width);
  const int source_height = even(from_height);
  Letterbox place;
  place.width = to_width;
  place.height = to_height;
  if (keep_aspect) {
    const double fitting_height = static_cast<double>(to_width) * source_height / source_width;
    if (fitting_height <= to_height)
      place.height = static_cast<int>(fitting_height);
    else
      place.width = static_cast<int>(static_cast<double>(to_height) * source_width / source_height);
  }
  place.width = even(place.width);
  place.height = even(place.height);
  place.scale_x = static_cast<double>(place.width) / source_width;
  place.scale_y = static_cast<double>(place.height) / source_height;
  if (symmetric) {
    place.left = (to_width - place.width) / 2;
    place.top = (to_height - place.height) / 2;
  }
  return place;
}

size_t bytes_of(TensorType type) {
  return type == TensorType::fp32 ? 4 : type == TensorType::fp16 ? 2 : 1;
}

void fill_input(const Nv12 &frame, const Letterbox &place, const NetworkInput &input, uint8_t *out) {
  const Values values(input);
  const size_t size = bytes_of(input.type);
  const size_t area = static_cast<size_t>(input.width) * static_cast<size_t>(input.height);
  const size_t pixel_step = input.planar ? size : 3 * size;
  const size_t channel_step = input.planar ? area * size : size;
  const auto put = [&](uint8_t *at, const std::array<int, 3> &rgb) {
    for (size_t channel = 0; channel < 3; ++channel)
      values.put(at + channel * channel_step, channel, rgb[input.bgr ? 2 - channel : channel]);
  };
  // The source is cut to even sizes, so that its chroma has whole samples.
  const std::vector<Tap> luma_x = taps(even(frame.width), place.width);
  const std::vector<Tap> luma_y = taps(even(frame.height), place.height);
  const std::vector<Tap> chroma_x = taps(frame.width / 2, place.width);
  const std::vector<Tap> chroma_y = taps(frame.height / 2, place.height);
  for (int y = 0; y < input.height; ++y) {
    uint8_t *row = out + static_cast<size_t>(y) * static_cast<size_t>(input.width) * pixel_step;
    const int line = y - place.top;
    const bool inside = line >= 0 && line < place.height;
    const Tap luma_line = inside ? luma_y[static_cast<size_t>(line)] : Tap{};
    const Tap chroma_line = inside ? chroma_y[static_cast<size_t>(line)] : Tap{};
    const uint8_t *upper = frame.luma + static_cast<size_t>(luma_line.first) * frame.luma_pitch;
    const uint8_t *lower = frame.luma + static_cast<size_t>(luma_line.second) * frame.luma_pitch;
    const uint8_t *chroma_upper = frame.chroma + static_cast<size_t>(chroma_line.first) * frame.chroma_pitch;
    const uint8_t *chroma_lower = frame.chroma + static_cast<size_t>(chroma_line.second) * frame.chroma_pitch;
    for (int x = 0; x < input.width; ++x, row += pixel_step) {
      const int column = x - place.left;
      if (!inside || column < 0 || column >= place.width) {
        put(row, {0, 0, 0});
        continue;
      }
      const Tap &fine = luma_x[static_cast<size_t>(column)];
      const Tap &coarse = chroma_x[static_cast<size_t>(column)];
      put(row, rgb_of(sample(upper, lower, luma_line.weight, fine, 1),
                      sample(chroma_upper, chroma_lower, chroma_line.weight, coarse, 2),
                      sample(chroma_upper + 1, chroma_lower + 1, chroma_line.weight, coarse, 2)));
    }
  }
}

uint16_t half_of(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<uint16_t>(sign | 0x7e00U);  // not a number
  if (magnitude >= 0x477ff000U) return static_cast<uint16_t>(sign | 0x7c00U); // rounds beyond 65504
  const auto rounded = [](uint32_t whole, uint32_t rest, uint32_t half) {     // to the nearest, to even in the middle
    return whole + ((rest > half || (rest == half && (whole & 1U) != 0)) ? 1U : 0U);
  };
  if (magnitude >= 0x38800000U) {
    const uint32_t shifted = magnitude - 0x38000000U;
    return static_cast<uint16_t>(sign | rounded(shifted >> 13, shifted & 0x1fffU, 0x1000U));
  }
  if (magnitude < 0x33000000U) return sign; // rounds to zero
  const uint32_t shift = 126U - (magnitude >> 23);
  const uint32_t mantissa = (magnitude & 0x7fffffU) | 0x800000U;
  return static_cast<uint16_t>(sign | rounded(mantissa >> shift, mantissa & ((1U << shift) - 1U), 1U << (shift - 1U)));
}

} // namespace standin
