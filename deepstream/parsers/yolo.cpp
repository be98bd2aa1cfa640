#include "yolo.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace sightline {

namespace {

const char *const not_finite = "an output holds a value that is not finite";

/** Picture, four corners, class, score. */
constexpr std::size_t listed_values = 7;

/** Values of a list of boxes: value `v` of box `b` is `data[b * box_step + v * value_step]`. */
struct Table {
  const float *data;
  std::size_t boxes;
  std::size_t box_step;
  std::size_t value_step;

  double at(std::size_t box, std::size_t value) const { return data[box * box_step + value * value_step]; }
};

struct Best {
  std::size_t label = 0;
  double value = 0;
  bool finite = true;
};

/** The first of the largest of the values from `first` on. */
Best best_class(const Table &table, std::size_t box, std::size_t first, std::size_t classes) {
  Best best{0, table.at(box, first), true};
  double sum = best.value;
  for (std::size_t label = 1; label < classes; label += 1) {
    const double value = table.at(box, first + label);
    sum += value;
    if (value > best.value) best = {label, value, true};
  }
  best.finite = std::isfinite(sum);
  return best;
}

/** False when a value is not finite. */
bool add_centred(std::vector<Box> &found, const Table &table, std::size_t box, double score, std::size_t label) {
  const double x = table.at(box, 0);
  const double y = table.at(box, 1);
  const double width = table.at(box, 2);
  const double height = table.at(box, 3);
  if (!std::isfinite(x + y + width + height + score)) return false;
  found.push_back({static_cast<float>(x - width / 2), static_cast<float>(y - height / 2), static_cast<float>(width),
                   static_cast<float>(height), static_cast<float>(score), label});
  return true;
}

/** Left, top, right, bottom, score, class. False when a value is not finite or the class is no number of one. */
bool add_corners(std::vector<Box> &found, const std::array<double, 6> &row, float min_score) {
  if (!std::all_of(row.begin(), row.end(), [](double value) { return std::isfinite(value); })) return false;
  const auto [left, top, right, bottom, score, label] = row;
  if (label < 0 || label > 1e9) return false;
  if (score < min_score) return true;
  found.push_back({static_cast<float>(left), static_cast<float>(top), static_cast<float>(right - left),
                   static_cast<float>(bottom - top), static_cast<float>(score), static_cast<std::size_t>(label)});
  return true;
}

/** Refuses scores that cannot be probabilities: the graph then ends before the logistic function. */
Parsed<Box> probable(Parsed<Box> parsed) {
  // 16-bit floats may round a little beyond 1.
  const auto beyond = std::find_if(parsed.found.begin(), parsed.found.end(), [](const Box &box) { return box.score > 1.001F; });
  if (beyond == parsed.found.end()) return parsed;
  std::array<char, 32> score{};
  std::snprintf(score.data(), score.size(), "%.2f", static_cast<double>(beyond->score));
  return {{},
          std::string("a score is ") + score.data() +
              "; allowed is 0 to 1. Were the classes exported without their logistic function?"};
}

Parsed<Box> fixed_rows(const std::vector<Output> &outputs, float min_score) {
  const auto named = [&outputs](const char *name) {
    const auto at =
        std::find_if(outputs.begin(), outputs.end(), [name](const Output &output) { return output.name() == name; });
    return at == outputs.end() ? nullptr : &*at;
  };
  const auto *count = named("num_dets");
  const auto *boxes = named("det_boxes");
  const auto *scores = named("det_scores");
  const auto *classes = named("det_classes");
  if (count == nullptr || boxes == nullptr || scores == nullptr || classes == nullptr)
    return {{},
            "a YOLO with suppression inside has outputs num_dets, det_boxes, det_scores, det_classes, or one of [boxes, 6] or "
            "[boxes, 7]; there are " +
                text_of(outputs)};
  const auto count_dims = count->dims(1);
  const auto box_dims = boxes->dims(2);
  const auto score_dims = scores->dims(1);
  const auto class_dims = classes->dims(1);
  if (!count_dims || !box_dims || !score_dims || !class_dims || (*count_dims)[0] != 1 || (*box_dims)[1] != 4 ||
      (*box_dims)[0] != (*score_dims)[0] || (*class_dims)[0] != (*score_dims)[0])
    return {{},
            "allowed is num_dets [1], det_boxes [K,4], det_scores [K], det_classes [K] of one K; there are " +
                text_of(outputs)};
  const auto corners = boxes->floats();
  const auto score = scores->floats();
  const auto label = classes->numbers();
  const auto rows = count->numbers();
  if (!corners || !score || !label || !rows)
    return {{}, "det_boxes and det_scores are FP32 or FP16, num_dets and det_classes whole numbers; these are not"};
  if (!((*rows)[0] >= 0)) return {{}, "num_dets is " + std::to_string((*rows)[0]) + "; allowed is 0 or more"};
  const auto most = std::min((*rows)[0], static_cast<double>((*score_dims)[0]));
  Parsed<Box> parsed;
  for (std::size_t row = 0; row < static_cast<std::size_t>(most); row += 1) {
    const float *box = corners->data() + 4 * row;
    if (!add_corners(parsed.found, {box[0], box[1], box[2], box[3], score->data()[row], (*label)[row]}, min_score))
      return {{}, not_finite};
  }
  return parsed;
}

Parsed<Box> listed_rows(const Output &output, std::size_t rows, float min_score) {
  if (rows == 0) return {};
  const auto floats = output.floats();
  if (!floats) return {{}, "output " + output.text() + " holds whole numbers; allowed is FP32 or FP16"};
  Parsed<Box> parsed;
  for (std::size_t row = 0; row < rows; row += 1) {
    const float *values = floats->data() + listed_values * row;
    if (values[0] != 0) continue;
    if (!add_corners(parsed.found, {values[1], values[2], values[3], values[4], values[6], values[5]}, min_score))
      return {{}, not_finite};
  }
  return parsed;
}

/** The only output whose own form is [any, `values`] or, where `either_axis`, [`values`, any]; `boxes` is the length of the
 * other axis. */
struct Grid {
  Floats values;
  std::size_t boxes;
  bool boxes_first;
};

struct FoundGrid {
  std::optional<Grid> grid;
  std::string problem;
};

FoundGrid grid_of(const std::vector<Output> &outputs, std::size_t values, bool either_axis) {
  FoundGrid found;
  for (const auto &output : outputs) {
    const auto dims = output.dims(2);
    if (!dims) continue;
    const bool values_first = either_axis && (*dims)[0] == values;
    if (!values_first && (*dims)[1] != values) continue;
    if (found.grid) return {std::nullopt, "there are two outputs of boxes, allowed is one: " + text_of(outputs)};
    auto floats = output.floats();
    if (!floats) return {std::nullopt, "output " + output.text() + " holds whole numbers; allowed is FP32 or FP16"};
    found.grid = Grid{*std::move(floats), values_first ? (*dims)[1] : (*dims)[0], !values_first};
  }
  if (!found.grid) {
    const auto wide = std::to_string(values);
    found.problem = "allowed is one output [boxes, " + wide + "]" + (either_axis ? " or [" + wide + ", boxes]" : "") +
                    "; there are " + text_of(outputs);
  }
  return found;
}

Table table_of(const Grid &grid, std::size_t values) {
  return grid.boxes_first ? Table{grid.values.data(), grid.boxes, values, 1}
                          : Table{grid.values.data(), grid.boxes, 1, grid.boxes};
}

} // namespace

Parsed<Box> end2end_boxes_of(const YoloRequest &request) {
  const auto outputs = outputs_of(request.layers, request.count);
  const auto listed = outputs.size() == 1 ? outputs.front().rows(listed_values) : std::nullopt;
  if (listed) return listed_rows(outputs.front(), *listed, request.min_score);
  const auto ranked = outputs.size() == 1 ? outputs.front().dims(2) : std::nullopt;
  if (!ranked || (*ranked)[1] != 6) return fixed_rows(outputs, request.min_score);
  const auto floats = outputs.front().floats();
  if (!floats) return {{}, "output " + outputs.front().text() + " holds whole numbers; allowed is FP32 or FP16"};
  Parsed<Box> parsed;
  for (std::size_t row = 0; row < (*ranked)[0]; row += 1) {
    const float *values = floats->data() + 6 * row;
    if (!add_corners(parsed.found, {values[0], values[1], values[2], values[3], values[4], values[5]}, request.min_score))
      return {{}, not_finite};
  }
  return parsed;
}

Parsed<Box> grid_boxes_of(const YoloRequest &request) {
  const std::size_t values = 5 + request.classes;
  const auto read = grid_of(outputs_of(request.layers, request.count), values, false);
  if (!read.grid) return {{}, read.problem};
  const auto table = table_of(*read.grid, values);
  Parsed<Box> parsed;
  for (std::size_t box = 0; box < table.boxes; box += 1) {
    const double objectness = table.at(box, 4);
    if (objectness < request.min_score) continue;
    const auto best = best_class(table, box, 5, request.classes);
    const double score = request.classes == 1 ? objectness : objectness * best.value;
    if (!best.finite) return {{}, not_finite};
    if (score < request.min_score) continue;
    if (!add_centred(parsed.found, table, box, score, best.label)) return {{}, not_finite};
  }
  return probable(std::move(parsed));
}

Parsed<Box> scored_boxes_of(const YoloRequest &request) {
  const std::size_t values = 4 + request.classes;
  const auto read = grid_of(outputs_of(request.layers, request.count), values, true);
  if (!read.grid) return {{}, read.problem};
  const auto table = table_of(*read.grid, values);
  Parsed<Box> parsed;
  for (std::size_t box = 0; box < table.boxes; box += 1) {
    const auto best = best_class(table, box, 4, request.classes);
    if (!best.finite) return {{}, not_finite};
    if (best.value < request.min_score) continue;
    if (!add_centred(parsed.found, table, box, best.value, best.label)) return {{}, not_finite};
  }
  return probable(std::move(parsed));
}

} // namespace sightline
