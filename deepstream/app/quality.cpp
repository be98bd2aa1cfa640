#include "quality.h"

#include <algorithm>
#include <cmath>

namespace sightline::app {
namespace {

/** Height to which the box is scaled before its sharpness is measured: the input of the face embedders. */
constexpr int measure_pixels = 112;

struct Scaled {
  int width;
  int height;
  std::vector<float> data;
};

struct Tap {
  int source;
  double weight;
};

/** Which input samples make up each output sample: those of `i` are at `starts[i]` to below `starts[i + 1]`. */
struct Taps {
  std::vector<std::size_t> starts;
  std::vector<Tap> taps;
};

/**
 * For each of `to` output samples the input samples and weights of `from` to `from + extent`: means of areas when shrinking,
 * linear between half-pixel centres when growing. Samples beyond `size` repeat the edge.
 */
Taps taps_of(double from, double extent, int to, int size) {
  const double scale = extent / to;
  Taps made;
  made.starts.push_back(0);
  const auto add = [&](double source, double weight) {
    made.taps.push_back({static_cast<int>(std::clamp(source, 0.0, size - 1.0)), weight});
  };
  for (int i = 0; i < to; i += 1) {
    if (scale <= 1) {
      const double centre = from + (i + 0.5) * scale - 0.5;
      const double left = std::floor(centre);
      add(left, 1 - (centre - left));
      add(left + 1, centre - left);
    } else {
      const double begin = from + i * scale;
      const double end = begin + scale;
      const double first = std::floor(begin);
      const auto count = static_cast<int>(std::ceil(end - first));
      for (int k = 0; k < count; k += 1) add(first + k, (std::min(end, first + k + 1) - std::max(begin, first + k)) / scale);
    }
    made.starts.push_back(made.taps.size());
  }
  return made;
}

/** Columns first, of those rows alone that are needed, then rows. */
Scaled scale_box(const CropMeasure &measure) {
  const Grey &grey = measure.grey;
  const int height = measure_pixels;
  const double wanted = std::floor(measure_pixels * measure.box.width / std::max(1e-6, measure.box.height) + 0.5);
  const int width = static_cast<int>(std::clamp(wanted, 3.0, 4.0 * measure_pixels));
  const Taps columns = taps_of(measure.box.left, measure.box.width, width, grey.width);
  const Taps rows = taps_of(measure.box.top, measure.box.height, height, grey.height);
  const auto [first, last] =
      std::minmax_element(rows.taps.begin(), rows.taps.end(), [](const Tap &a, const Tap &b) { return a.source < b.source; });
  const int first_row = first->source;
  std::vector<float> narrow(static_cast<std::size_t>(width) * (last->source - first_row + 1));
  for (int row = first_row; row <= last->source; row += 1) {
    const std::uint8_t *from = grey.pixels.data() + static_cast<std::size_t>(row) * grey.width;
    float *to = narrow.data() + static_cast<std::size_t>(row - first_row) * width;
    for (int x = 0; x < width; x += 1) {
      double sum = 0;
      for (std::size_t tap = columns.starts[x]; tap < columns.starts[x + 1]; tap += 1)
        sum += columns.taps[tap].weight * from[columns.taps[tap].source];
      to[x] = static_cast<float>(sum);
    }
  }
  Scaled scaled{width, height, std::vector<float>(static_cast<std::size_t>(width) * height)};
  for (int y = 0; y < height; y += 1) {
    float *to = scaled.data.data() + static_cast<std::size_t>(y) * width;
    for (std::size_t tap = rows.starts[y]; tap < rows.starts[y + 1]; tap += 1) {
      const float *from = narrow.data() + static_cast<std::size_t>(rows.taps[tap].source - first_row) * width;
      for (int x = 0; x < width; x += 1) to[x] = static_cast<float>(to[x] + rows.taps[tap].weight * from[x]);
    }
  }
  return scaled;
}

/** Variance of the four-neighbour Laplacian over the inner pixels (Pech-Pacheco et al., 2000). */
double laplacian_variance(const Scaled &picture) {
  double sum = 0;
  double squares = 0;
  const int width = picture.width;
  const float *data = picture.data.data();
  for (int y = 1; y < picture.height - 1; y += 1) {
    for (int x = 1; x < width - 1; x += 1) {
      const std::size_t i = static_cast<std::size_t>(y) * width + x;
      const double value = static_cast<double>(data[i - 1]) + data[i + 1] + data[i - width] + data[i + width] - 4.0 * data[i];
      sum += value;
      squares += value * value;
    }
  }
  const double count = (width - 2.0) * (picture.height - 2.0);
  // By rounding a flat picture may come out a hair below zero.
  return std::max(0.0, squares / count - (sum / count) * (sum / count));
}

struct Pose {
  double roll_degrees = 0;
  double yaw = 0;
};

/** Roll of the eye line in degrees, -180 to 180, and the nose's offset along it in eye distances. */
Pose pose_of(const FivePoints &points) {
  const Point &left = points[0];
  const Point &right = points[1];
  const Point &nose = points[2];
  const double dx = right.x - left.x;
  const double dy = right.y - left.y;
  const double squared = dx * dx + dy * dy;
  if (squared == 0) return {};
  const Point middle{(left.x + right.x) / 2, (left.y + right.y) / 2};
  return {std::atan2(dy, dx) * 180 / M_PI, ((nose.x - middle.x) * dx + (nose.y - middle.y) * dy) / squared};
}

constexpr double half_sharpness = 20;

/** The product of all factors but sharpness; src/models/quality.ts says what they are. */
double factors_of(const Quality &measures, bool is_face) {
  // Heights at which size begins to count and by which it has gained 63 %.
  const double none = is_face ? 20 : 48;
  const double gain = is_face ? 40 : 100;
  const double size = 1 - std::exp(-std::max(0.0, measures.height_px - none) / gain);
  const double roll = 1 - std::min(180.0, std::abs(measures.roll_degrees)) / 240;
  const double yaw = 1 / (1 + (measures.yaw / 0.5) * (measures.yaw / 0.5));
  return size * roll * yaw * measures.visible * measures.visible * std::sqrt(measures.score);
}

Quality measures_of(const std::optional<FivePoints> &landmarks, double score, double visible, double height_px) {
  const Pose pose = landmarks ? pose_of(*landmarks) : Pose{};
  return {height_px, 0, pose.roll_degrees, pose.yaw, visible, score, 0};
}

} // namespace

Quality assess_crop(const CropMeasure &measure) {
  Quality quality = measures_of(measure.landmarks, measure.score, measure.visible, measure.height_px);
  quality.sharpness = laplacian_variance(scale_box(measure));
  quality.overall =
      factors_of(quality, measure.landmarks.has_value()) * (quality.sharpness / (quality.sharpness + half_sharpness));
  return quality;
}

double best_quality(const std::optional<FivePoints> &landmarks, double score, double visible, double height_px) {
  return factors_of(measures_of(landmarks, score, visible, height_px), landmarks.has_value());
}

double visible_share(const std::optional<FivePoints> &points, const Size &frame) {
  if (!points) return 1;
  const auto inside = std::count_if(points->begin(), points->end(), [&](const Point &point) {
    return point.x >= 0 && point.y >= 0 && point.x < frame.width && point.y < frame.height;
  });
  return static_cast<double>(inside) / static_cast<double>(points->size());
}

} // namespace sightline::app
