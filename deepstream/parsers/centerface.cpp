#include "centerface.h"

#include <algorithm>
#include <cmath>

namespace sightline {

namespace {

constexpr double stride = 4;

struct Map {
  std::vector<std::size_t> dims;
  Floats values;
};

std::string cells_text(std::size_t columns, std::size_t rows) {
  return std::to_string(columns) + "x" + std::to_string(rows);
}

} // namespace

Parsed<Face> decode_centerface(const CenterFaceMaps &maps, float min_score) {
  const std::size_t cells = maps.rows * maps.columns;
  const double input_width = static_cast<double>(maps.columns) * stride;
  const double input_height = static_cast<double>(maps.rows) * stride;
  Parsed<Face> parsed;
  for (std::size_t cell = 0; cell < cells; cell += 1) {
    const float score = maps.heat[cell];
    if (score < min_score) continue;
    const std::size_t row = cell / maps.columns;
    const std::size_t column = cell % maps.columns;
    const double height = stride * std::exp(static_cast<double>(maps.scale[cell]));
    const double width = stride * std::exp(static_cast<double>(maps.scale[cells + cell]));
    const double centre_y = (static_cast<double>(row) + maps.offset[cell] + 0.5) * stride;
    const double centre_x = (static_cast<double>(column) + maps.offset[cells + cell] + 0.5) * stride;
    const double left = std::clamp(centre_x - width / 2, 0.0, input_width);
    const double top = std::clamp(centre_y - height / 2, 0.0, input_height);
    Face face{static_cast<float>(left),
              static_cast<float>(top),
              static_cast<float>(std::min(left + width, input_width) - left),
              static_cast<float>(std::min(top + height, input_height) - top),
              score,
              {}};
    double sum = score + width + height + centre_x + centre_y;
    for (std::size_t point = 0; point < face.points.size(); point += 1) {
      const double x = left + maps.points[(2 * point + 1) * cells + cell] * width;
      const double y = top + maps.points[2 * point * cells + cell] * height;
      face.points[point] = {static_cast<float>(x), static_cast<float>(y)};
      sum += x + y;
    }
    if (!std::isfinite(sum)) return {{}, not_finite};
    parsed.found.push_back(face);
  }
  return parsed;
}

Parsed<Face> faces_of(const NvDsInferLayerInfo *layers, std::size_t count, const NvDsInferNetworkInfo &network,
                      float min_score) {
  const auto outputs = outputs_of(layers, count);
  const std::array<std::size_t, 4> wanted{1, 2, 2, 10};
  std::vector<Map> maps;
  for (const auto &output : outputs) {
    auto dims = output.dims(3);
    if (!dims) continue;
    auto values = output.floats();
    if (!values) return {{}, "output " + output.text() + " holds whole numbers; allowed is FP32 or FP16"};
    maps.push_back({*std::move(dims), *std::move(values)});
  }
  // Stable, so that the two of 2 channels stay in the order of their names.
  std::stable_sort(maps.begin(), maps.end(), [](const Map &a, const Map &b) { return a.dims[0] < b.dims[0]; });
  const bool fits = maps.size() == wanted.size() && outputs.size() == wanted.size() &&
                    std::equal(maps.begin(), maps.end(), wanted.begin(),
                               [](const Map &map, std::size_t channels) { return map.dims[0] == channels; });
  if (!fits)
    return {{},
            "CenterFace has outputs of 1, 2, 2 and 10 channels (heat map, size, offset, points); there are " +
                text_of(outputs)};
  const std::size_t rows = network.height / 4;
  const std::size_t columns = network.width / 4;
  for (const auto &map : maps)
    if (map.dims[1] != rows || map.dims[2] != columns)
      return {{},
              "an input of " + cells_text(network.width, network.height) + " has maps of " + cells_text(columns, rows) +
                  " cells; there are " + text_of(outputs)};
  const CenterFaceMaps read{
      maps[0].values.data(), maps[1].values.data(), maps[2].values.data(), maps[3].values.data(), rows, columns};
  return decode_centerface(read, min_score);
}

} // namespace sightline
