/**
 * The parsers beside the values that test/unit/models-detectors.test.ts and models-yolo.test.ts hold the TypeScript decoders
 * to: test/fixtures/golden/{decoders,yolo}.json, made by numpy (tools/golden). GOLDEN is that folder, LIBRARY the library.
 */

#include <catch2/catch.hpp>

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <mutations.h>
#include <nlohmann/json.hpp>

#include "centerface.h"
#include "nvdsinfer_custom_impl.h"
#include "report.h"
#include "yolo.h"

using nlohmann::json;
using sightline::Box;

namespace {

void check(bool holds, const std::string &what) {
  INFO(what);
  CHECK(holds);
}

void near(double actual, double expected, double tolerance, const std::string &what) {
  check(std::abs(actual - expected) <= tolerance, what + ": " + std::to_string(actual) + " is not " + std::to_string(expected));
}

/** A layer and what it points to. */
struct Layer {
  std::string name;
  std::vector<unsigned> dims;
  NvDsInferDataType type = FLOAT;
  std::vector<float> floats;
  std::vector<std::int32_t> numbers;

  NvDsInferLayerInfo info() {
    NvDsInferLayerInfo layer{};
    layer.dataType = type;
    layer.inferDims.numDims = static_cast<unsigned>(dims.size());
    layer.inferDims.numElements = 1;
    for (std::size_t axis = 0; axis < dims.size(); axis += 1) {
      layer.inferDims.d[axis] = dims[axis];
      layer.inferDims.numElements *= dims[axis];
    }
    layer.bindingIndex = -1;
    layer.layerName = name.c_str();
    layer.buffer = type == FLOAT ? static_cast<void *>(floats.data()) : static_cast<void *>(numbers.data());
    return layer;
  }
};

struct Answer {
  std::vector<Layer> layers;

  std::vector<NvDsInferLayerInfo> infos() {
    std::vector<NvDsInferLayerInfo> found;
    for (auto &layer : layers) found.push_back(layer.info());
    return found;
  }

  Answer batched() const {
    Answer other = *this;
    for (auto &layer : other.layers) layer.dims.insert(layer.dims.begin(), 1);
    return other;
  }

  Layer &of(const std::string &name) {
    return *std::find_if(layers.begin(), layers.end(), [&name](const Layer &layer) { return layer.name == name; });
  }
};

/** The golden files' own suppression: greedy, by class, `extra` for inclusive corners. Returns the kept ones by falling score.
 */
template <typename Found> std::vector<Found> suppressed(std::vector<Found> boxes, double iou, double extra) {
  const auto label_of = [](const Found &box) {
    if constexpr (std::is_same_v<Found, Box>) return box.label;
    return std::size_t{0};
  };
  std::stable_sort(boxes.begin(), boxes.end(), [](const Found &a, const Found &b) { return a.score > b.score; });
  std::vector<Found> kept;
  for (const auto &box : boxes) {
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const Found &winner) {
      if (label_of(winner) != label_of(box)) return false;
      const double wide = std::min(winner.left + winner.width, box.left + box.width) - std::max(winner.left, box.left) + extra;
      const double high = std::min(winner.top + winner.height, box.top + box.height) - std::max(winner.top, box.top) + extra;
      const double shared = std::max(0.0, wide) * std::max(0.0, high);
      const double total =
          (winner.width + extra) * (winner.height + extra) + (box.width + extra) * (box.height + extra) - shared;
      return shared / total >= iou;
    });
    if (!covered) kept.push_back(box);
  }
  return kept;
}

/** A centred letterbox back to source pixels, clipped to the frame; boxes without area are left out. */
std::vector<Box> in_source(const std::vector<Box> &boxes, const json &input, const json &source, const json &content) {
  const double gain =
      std::min(input[0].get<double>() / source[0].get<double>(), input[1].get<double>() / source[1].get<double>());
  std::vector<Box> mapped;
  for (const auto &box : boxes) {
    const auto back = [&](double value, int axis) {
      const double shift = (input[axis].get<double>() - content[axis].get<double>()) / 2;
      return std::clamp((value - shift) / gain, 0.0, source[axis].get<double>());
    };
    const double left = back(box.left, 0);
    const double top = back(box.top, 1);
    const double width = back(static_cast<double>(box.left) + box.width, 0) - left;
    const double height = back(static_cast<double>(box.top) + box.height, 1) - top;
    if (width > 0 && height > 0)
      mapped.push_back({static_cast<float>(left), static_cast<float>(top), static_cast<float>(width),
                        static_cast<float>(height), box.score, box.label});
  }
  return mapped;
}

void check_found(const std::vector<Box> &found, const json &expected, const std::string &what) {
  check(found.size() == expected.size(), what + ": " + std::to_string(found.size()) + " boxes");
  for (std::size_t at = 0; at < std::min(found.size(), expected.size()); at += 1) {
    const auto &[left, top, width, height, score, label] = found[at];
    const auto &box = expected[at]["box"];
    check(label == expected[at]["class"].get<std::size_t>(), what + ": class of box " + std::to_string(at));
    near(score, expected[at]["score"], 1e-5, what + ": score of box " + std::to_string(at));
    near(left, box[0], 1e-4, what + ": left of box " + std::to_string(at));
    near(top, box[1], 1e-4, what + ": top of box " + std::to_string(at));
    near(width, box[2], 1e-4, what + ": width of box " + std::to_string(at));
    near(height, box[3], 1e-4, what + ": height of box " + std::to_string(at));
  }
}

/** The library's function, called as the element calls it. */
struct Parser {
  NvDsInferParseCustomFunc function;
  NvDsInferNetworkInfo network;
  unsigned classes;

  struct Result {
    bool well;
    std::vector<Box> boxes;
  };

  Result operator()(Answer &answer, float min_score) const {
    NvDsInferParseDetectionParams params{};
    params.numClassesConfigured = classes;
    params.perClassPreclusterThreshold.assign(classes, min_score);
    std::vector<NvDsInferObjectDetectionInfo> objects;
    const auto layers = answer.infos();
    const bool well = function(layers, network, params, objects);
    Result result{well, {}};
    for (const auto &object : objects)
      result.boxes.push_back(
          {object.left, object.top, object.width, object.height, object.detectionConfidence, object.classId});
    return result;
  }
};

/** What `act` writes on stderr. */
template <typename Act> std::string heard(Act act) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const int kept = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  act();
  dup2(kept, STDERR_FILENO);
  close(kept);
  std::string text(4096, '\0');
  const auto length = read(ends[0], text.data(), text.size());
  close(ends[0]);
  return text.substr(0, length < 0 ? 0 : static_cast<std::size_t>(length));
}

/** What every parser has to refuse, said of an answer that it takes. */
void check_refusals(const Parser &parser, const Answer &answer, const std::string &spoilt, std::size_t at,
                    const std::string &what) {
  Answer good = answer;
  check(parser(good, 0.25F).well, what + ": takes the answer");
  Answer infinite = answer;
  infinite.of(spoilt).floats[at] = std::numeric_limits<float>::infinity();
  const auto spared = parser(infinite, 0.25F);
  check(spared.well && spared.boxes.empty(), what + ": finds nothing in a picture with a value that is not finite");
  Answer missing = answer;
  missing.layers.pop_back();
  check(!parser(missing, 0.25F).well, what + ": refuses an answer without one of its outputs");
  Answer shape = answer;
  shape.layers.back().dims.back() += 1;
  check(!parser(shape, 0.25F).well, what + ": refuses dims that are not its own");
  Answer pictures = answer.batched();
  for (auto &layer : pictures.layers) layer.dims.front() = 2;
  check(!parser(pictures, 0.25F).well, what + ": refuses an answer for two pictures at once");
  Answer nothing = answer;
  for (auto &layer : nothing.layers) layer.dims.front() = 0;
  check(!parser(nothing, 0.25F).well, what + ": refuses an empty tensor");
  std::vector<NvDsInferObjectDetectionInfo> objects;
  NvDsInferParseDetectionParams params{};
  params.numClassesConfigured = parser.classes;
  params.perClassPreclusterThreshold.assign(parser.classes, 0.25F);
  auto layers = good.infos();
  for (auto &layer : layers) layer.buffer = nullptr;
  check(!parser.function(layers, parser.network, params, objects), what + ": refuses tensors without values");
  check(objects.empty(), what + ": gives nothing with a refusal");
}

void test_centerface(const json &golden, const Parser &parser) {
  const auto rows = golden["rows"].get<unsigned>();
  const auto columns = golden["columns"].get<unsigned>();
  // As they come on the card: in no particular order.
  Answer answer{{{"539", {2, rows, columns}, FLOAT, golden["offset"], {}},
                 {"537", {1, rows, columns}, FLOAT, golden["heat"], {}},
                 {"540", {10, rows, columns}, FLOAT, golden["points"], {}},
                 {"538", {2, rows, columns}, FLOAT, golden["scale"], {}}}};
  const auto min_score = golden["threshold"].get<float>();
  for (auto same : {answer, answer.batched()}) {
    const auto layers = same.infos();
    const auto parsed = sightline::faces_of(layers.data(), layers.size(), parser.network, min_score);
    check(parsed.problem.empty(), "CenterFace: " + parsed.problem);
    const auto faces = suppressed(parsed.found, 0.3, 1);
    check(faces.size() == golden["scores"].size(), "CenterFace: number of faces");
    for (std::size_t at = 0; at < std::min(faces.size(), golden["scores"].size()); at += 1) {
      const auto &face = faces[at];
      near(face.score, golden["scores"][at], 1e-5, "CenterFace: score");
      near(face.left, golden["boxes"][at][0], 1e-4, "CenterFace: left");
      near(face.top, golden["boxes"][at][1], 1e-4, "CenterFace: top");
      near(face.left + face.width, golden["boxes"][at][2], 1e-4, "CenterFace: right");
      near(face.top + face.height, golden["boxes"][at][3], 1e-4, "CenterFace: bottom");
      for (std::size_t point = 0; point < face.points.size(); point += 1) {
        near(face.points[point].x, golden["landmarks"][at][point][0], 1e-4, "CenterFace: x of a point");
        near(face.points[point].y, golden["landmarks"][at][point][1], 1e-4, "CenterFace: y of a point");
      }
    }
    const auto result = parser(same, min_score);
    check(result.well && result.boxes.size() == parsed.found.size(), "CenterFace: the parser gives each face");
    for (std::size_t at = 0; at < std::min(result.boxes.size(), parsed.found.size()); at += 1)
      check(result.boxes[at].left == parsed.found[at].left && result.boxes[at].score == parsed.found[at].score,
            "CenterFace: the parser's boxes and scores are those of the faces");
  }
  Parser beside = parser;
  beside.classes = 81;
  for (const auto &box : beside(answer, min_score).boxes) check(box.label == 80, "CenterFace: a face is of the last class");
  check_refusals(parser, answer, "537", 0, "CenterFace");
  Parser other = parser;
  other.network.width += 32;
  check(!other(answer, min_score).well, "CenterFace: refuses maps of another input");
  Answer whole = answer;
  whole.of("537").type = INT32;
  whole.of("537").numbers.assign(std::size_t{rows} * columns, 0);
  check(!parser(whole, min_score).well, "CenterFace: refuses whole numbers");
}

void test_end2end(const json &golden, const json &ranked, const json &yolo, const Parser &parser) {
  Layer boxes{"det_boxes", {}, FLOAT, {}, {}};
  Layer scores{"det_scores", {}, FLOAT, {}, {}};
  Layer labels{"det_classes", {}, INT32, {}, {}};
  for (const auto &row : golden["rows"]) {
    for (int side = 0; side < 4; side += 1) boxes.floats.push_back(row[side]);
    scores.floats.push_back(row[4]);
    labels.numbers.push_back(row[5].get<int>());
  }
  const auto most = static_cast<unsigned>(scores.floats.size());
  boxes.dims = {most, 4};
  scores.dims = labels.dims = {most};
  Answer answer{{{"num_dets", {1}, INT32, {}, {golden["count"].get<int>()}}, boxes, scores, labels}};
  Parser square = parser;
  square.classes = 80;
  for (auto same : {answer, answer.batched()}) {
    const auto result = square(same, golden["threshold"].get<float>());
    check(result.well, "end-to-end: is taken");
    check_found(in_source(result.boxes, {640, 640}, golden["source"], golden["content"]), golden["expected"], "end-to-end");
  }
  check_refusals(square, answer, "det_boxes", 0, "end-to-end");
  Answer negative = answer;
  negative.of("num_dets").numbers = {-1};
  check(!square(negative, 0.25F).well, "end-to-end: refuses a negative count");
  Answer many = answer;
  many.of("num_dets").numbers = {1'000'000};
  check(square(many, 0.25F).boxes.size() <= most, "end-to-end: reads no row that is not there");
  Answer unknown = answer;
  unknown.of("det_classes").numbers[0] = 80;
  const auto fewer = square(unknown, 0.25F);
  check(fewer.well && fewer.boxes.size() + 1 == square(answer, 0.25F).boxes.size(),
        "end-to-end: leaves out a class without a label");
  unknown.of("det_classes").numbers[0] = -1;
  const auto unnumbered = square(unknown, 0.25F);
  check(unnumbered.well && unnumbered.boxes.empty(), "end-to-end: finds nothing where a class is no number of one");

  Answer one{{{"output0", {8, 6}, FLOAT, ranked["values"], {}}}};
  for (auto same : {one, one.batched()}) {
    const auto result = parser(same, 0.25F);
    check(result.well, "one-to-one: is taken");
    check_found(in_source(result.boxes, yolo["input"], yolo["source"], yolo["content"]), ranked["expected"], "one-to-one");
  }
}

void test_listed(const json &golden, const Parser &parser) {
  std::vector<float> values;
  for (const auto &row : golden["listed"])
    for (const auto &value : row) values.push_back(value);
  const auto rows = static_cast<unsigned>(values.size() / 7);
  Answer answer{{{"output", {rows, 7}, FLOAT, values, {}}}};
  const auto threshold = golden["threshold"].get<float>();
  const auto result = parser(answer, threshold);
  check(result.well, "listed: is taken");
  check_found(in_source(result.boxes, {640, 640}, golden["source"], golden["content"]), golden["expected"], "listed");

  // The element takes the only row for the batch.
  Answer one{{{"output", {7}, FLOAT, {values.begin(), values.begin() + 7}, {}}}};
  const auto first = parser(one, threshold);
  check(first.well && first.boxes.size() == 1 && first.boxes[0].left == values[1], "listed: takes a single box");
  Answer other = one;
  other.layers[0].floats[0] = 1;
  check(parser(other, threshold).well && parser(other, threshold).boxes.empty(), "listed: leaves out another picture's");
  for (auto *buffer : {values.data(), static_cast<float *>(nullptr)}) {
    Answer none{{{"output", {0, 7}, FLOAT, {}, {}}}};
    auto layers = none.infos();
    layers[0].buffer = buffer;
    std::vector<NvDsInferObjectDetectionInfo> objects;
    NvDsInferParseDetectionParams params{};
    params.numClassesConfigured = parser.classes;
    check(parser.function(layers, parser.network, params, objects) && objects.empty(), "listed: takes a picture of nothing");
  }
  Answer infinite = answer;
  infinite.layers[0].floats[2] = std::numeric_limits<float>::infinity();
  const auto spared = parser(infinite, threshold);
  check(spared.well && spared.boxes.empty(), "listed: finds nothing in a picture with a value that is not finite");
  Answer wide = answer;
  wide.layers[0].dims = {1, rows, 7};
  check(!parser(wide, threshold).well, "listed: refuses a batch of lists");
  Answer missing = answer;
  auto layers = missing.infos();
  layers[0].buffer = nullptr;
  std::vector<NvDsInferObjectDetectionInfo> objects;
  NvDsInferParseDetectionParams params{};
  params.numClassesConfigured = parser.classes;
  check(!parser.function(layers, parser.network, params, objects), "listed: refuses rows without values");
  Answer whole = answer;
  whole.layers[0].type = INT32;
  whole.layers[0].numbers.assign(values.size(), 0);
  check(!parser(whole, threshold).well, "listed: refuses whole numbers");
}

void test_grid(const json &golden, const json &yolo, const Parser &parser) {
  const auto classes = yolo["classes"].get<unsigned>();
  const std::vector<float> grid = golden["grid"];
  const auto rows = static_cast<unsigned>(grid.size() / (5 + classes));
  Answer answer{{{"output", {rows, 5 + classes}, FLOAT, grid, {}}}};
  const auto mapped = [&](const std::vector<Box> &boxes) {
    return in_source(suppressed(boxes, 0.45, 0), yolo["input"], yolo["source"], yolo["content"]);
  };
  for (auto same : {answer, answer.batched()}) {
    const auto result = parser(same, 0.25F);
    check(result.well, "grid: is taken");
    check_found(mapped(result.boxes), golden["expected"], "grid");
  }
  check_refusals(parser, answer, "output", 4, "grid");
  // Its heads beside it, as some exports leave them.
  Answer heads = answer;
  heads.layers.push_back({"head", {3, 2, 2, 5 + classes}, FLOAT, std::vector<float>(12 * (5 + classes)), {}});
  check_found(mapped(parser(heads, 0.25F).boxes), golden["expected"], "grid beside heads");

  std::vector<float> alone;
  for (std::size_t row = 0; row < rows; row += 1)
    alone.insert(alone.end(), grid.begin() + row * (5 + classes), grid.begin() + row * (5 + classes) + 6);
  Answer single{{{"output", {rows, 6}, FLOAT, alone, {}}}};
  Parser of_one = parser;
  of_one.classes = 1;
  check_found(mapped(of_one(single, 0.25F).boxes), golden["single"], "grid of one class");
}

void test_scored(const json &golden, const json &yolo, const Parser &parser) {
  const unsigned values = 4 + yolo["classes"].get<unsigned>();
  const std::vector<float> table = golden["values"];
  const auto boxes = static_cast<unsigned>(table.size() / values);
  std::vector<float> turned(table.size());
  for (std::size_t at = 0; at < table.size(); at += 1) turned[at % boxes * values + at / boxes] = table[at];
  Answer answer{{{"output0", {values, boxes}, FLOAT, table, {}}}};
  Answer other{{{"output0", {boxes, values}, FLOAT, turned, {}}}};
  for (auto same : {answer, answer.batched(), other, other.batched()}) {
    const auto result = parser(same, 0.25F);
    check(result.well, "scored boxes: are taken");
    check_found(in_source(suppressed(result.boxes, 0.45, 0), yolo["input"], yolo["source"], yolo["content"]),
                golden["expected"], "scored boxes");
  }
  Answer logits = answer;
  for (std::size_t at = std::size_t{4} * boxes; at < table.size(); at += 1) logits.layers[0].floats[at] = 20 * table[at] - 8;
  bool taken = false;
  const auto said = heard([&] {
    for (int again = 0; again < 3; again += 1) taken = parser(logits, 0.25F).well || taken;
  });
  check(!taken, "scored boxes: refuses scores that are no probabilities");
  check(said == "parser yolov8 of the model with outputs output0 [7,42]: a score is 4.90; allowed is 0 to 1. Were the classes "
                "exported without their logistic function?\n",
        "scored boxes: says once what it refuses and why, not: " + said);
  Answer infinite = answer;
  infinite.layers[0].floats[4 * boxes + 5] = std::numeric_limits<float>::quiet_NaN();
  const auto spared = parser(infinite, 0.25F);
  check(spared.well && spared.boxes.empty(), "scored boxes: finds nothing in a picture with a score that is not finite");
}

/** Values of IEEE 754 binary16, by its definition: smallest, largest, one third, the special ones. */
void test_halves() {
  near(sightline::float_of_half(0x3c00), 1, 0, "half of 1");
  near(sightline::float_of_half(0xc000), -2, 0, "half of -2");
  near(sightline::float_of_half(0x7bff), 65504, 0, "the largest half");
  near(sightline::float_of_half(0x0001), std::ldexp(1.0, -24), 0, "the smallest half");
  near(sightline::float_of_half(0x3555), 0.333251953125, 0, "half of a third");
  check(std::isinf(sightline::float_of_half(0x7c00)) && std::isnan(sightline::float_of_half(0x7e00)),
        "halves that are not finite");
  // Read from a layer, two values at once.
  const std::vector<std::uint16_t> values{0x3c00, 0xc000};
  NvDsInferLayerInfo layer{HALF, {1, {2}, 2}, -1, "half", const_cast<std::uint16_t *>(values.data()), 0};
  const auto read = sightline::Output(layer).floats();
  check(read && read->data()[0] == 1 && read->data()[1] == -2, "a layer of halves");
}

std::string told(const char *variable) {
  const char *value = std::getenv(variable);
  INFO(variable);
  REQUIRE(value != nullptr);
  return value == nullptr ? "" : value;
}

json golden(const char *name) {
  std::ifstream file(told("GOLDEN") + "/" + name + ".json");
  return json::parse(file);
}

/** A function of the library as the element finds it: by name. */
Parser parser_of(const char *name, unsigned width, unsigned height, unsigned classes) {
  void *library = dlopen(told("LIBRARY").c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  void *symbol = dlsym(library, name);
  INFO(name);
  REQUIRE(symbol != nullptr);
  return {reinterpret_cast<NvDsInferParseCustomFunc>(symbol), {width, height, 3}, classes};
}

Parser yolo_parser(const char *name, const json &yolo) {
  return parser_of(name, yolo["input"][0], yolo["input"][1], yolo["classes"]);
}

} // namespace

TEST_CASE("CenterFace: boxes, true scores and points") {
  const auto face = golden("decoders")["centerface"];
  const auto parser =
      parser_of("SightlineParseCenterFace_1", 4 * face["columns"].get<unsigned>(), 4 * face["rows"].get<unsigned>(), 1);
  test_centerface(face, parser);
}

TEST_CASE("YOLO with suppression inside") {
  const auto yolo = golden("yolo");
  test_end2end(golden("decoders")["yolo"], yolo["ranked"], yolo, yolo_parser("SightlineParseYoloEnd2end_2", yolo));
}

TEST_CASE("YOLO with suppression inside, as one list") {
  auto parser = yolo_parser("SightlineParseYoloEnd2end_2", golden("yolo"));
  parser.classes = 80;
  test_listed(golden("decoders")["yolo"], parser);
}

TEST_CASE("YOLO's grid with objectness") {
  const auto yolo = golden("yolo");
  test_grid(yolo["yolov7"], yolo, yolo_parser("SightlineParseYolov7_3", yolo));
}

TEST_CASE("YOLO's scored boxes") {
  const auto yolo = golden("yolo");
  test_scored(yolo["yolov8"], yolo, yolo_parser("SightlineParseYolov8_4", yolo));
}

/** Tensors as no model gives them, each with as many values as its dims say: what is read beyond them a sanitizer tells. */
Answer hostile(Answer answer, fuzz::Random &random) {
  static const std::vector<float> odd{std::numeric_limits<float>::quiet_NaN(),
                                      std::numeric_limits<float>::infinity(),
                                      -std::numeric_limits<float>::infinity(),
                                      std::numeric_limits<float>::max(),
                                      std::numeric_limits<float>::lowest(),
                                      1e9F,
                                      -1,
                                      0,
                                      1,
                                      1e-40F};
  for (auto left = 1 + random.below(3); left > 0 && !answer.layers.empty(); left -= 1) {
    const auto at = random.below(answer.layers.size());
    Layer &layer = answer.layers[at];
    switch (random.below(7)) {
    case 0:
      layer.dims.assign(random.below(NVDSINFER_MAX_DIMS + 1), static_cast<unsigned>(random.below(8)));
      break;
    case 1:
      if (!layer.dims.empty()) layer.dims[random.below(layer.dims.size())] = static_cast<unsigned>(random.below(40));
      break;
    case 2:
      layer.type = static_cast<NvDsInferDataType>(random.below(7));
      break;
    case 3:
      answer.layers.erase(answer.layers.begin() + static_cast<std::ptrdiff_t>(at));
      continue;
    case 4:
      answer.layers.push_back(Layer(layer));
      continue;
    case 5:
      layer.name = random.once_in(2) ? "" : "num_dets";
      break;
    default:
      for (auto &value : layer.floats)
        if (random.once_in(3)) value = random.of(odd);
      for (auto &number : layer.numbers)
        if (random.once_in(3)) number = random.of(std::vector<std::int32_t>{INT32_MIN, -1, 0, 1, 100, INT32_MAX});
    }
  }
  // Every type is of eight bytes at the most.
  for (auto &layer : answer.layers) {
    std::size_t values = 1;
    for (const auto size : layer.dims) values *= size;
    layer.floats.resize(layer.type == FLOAT ? values : 0);
    layer.numbers.resize(layer.type == FLOAT ? 0 : 2 * values);
    layer.floats.shrink_to_fit();
    layer.numbers.shrink_to_fit();
  }
  return answer;
}

void test_hostile(const Answer &answer, Parser parser, fuzz::Random &random) {
  for (auto left = fuzz::rounds(1500); left > 0; left -= 1) {
    Answer input = hostile(answer, random);
    parser.classes = static_cast<unsigned>(random.below(5));
    const auto result = parser(input, random.once_in(2) ? 0.25F : 0.0F);
    if (!result.well) CHECK(result.boxes.empty());
    for (const auto &box : result.boxes) {
      CHECK(box.label < parser.classes);
      // Each alone: sums of the largest numbers are none.
      for (const float value : {box.left, box.top, box.width, box.height, box.score}) CHECK(std::isfinite(value));
    }
  }
}

TEST_CASE("whatever a model answers, its boxes are numbers of known classes or it is refused") {
  fuzz::Random random;
  const std::vector<float> some(240, 0.5F);
  const auto first = [&](std::size_t count) { return std::vector<float>(some.begin(), some.begin() + count); };
  test_hostile({{{"537", {1, 4, 6}, FLOAT, first(24), {}},
                 {"538", {2, 4, 6}, FLOAT, first(48), {}},
                 {"539", {2, 4, 6}, FLOAT, first(48), {}},
                 {"540", {10, 4, 6}, FLOAT, first(240), {}}}},
               parser_of("SightlineParseCenterFace_1", 24, 16, 1), random);
  const Parser end2end = parser_of("SightlineParseYoloEnd2end_2", 64, 64, 3);
  test_hostile({{{"num_dets", {1}, INT32, {}, {5}},
                 {"det_boxes", {5, 4}, FLOAT, first(20), {}},
                 {"det_scores", {5}, FLOAT, first(5), {}},
                 {"det_classes", {5}, INT32, {}, {0, 1, 2, 0, 1}}}},
               end2end, random);
  test_hostile({{{"output", {8, 6}, FLOAT, first(48), {}}}}, end2end, random);
  for (const unsigned values : {4U, 5U, 7U, 8U})
    for (const char *name : {"SightlineParseYolov7_3", "SightlineParseYolov8_4"})
      test_hostile({{{"output", {9, values}, FLOAT, first(9 * values), {}}}}, parser_of(name, 64, 64, 3), random);
}

TEST_CASE("what a parser meets is reported of its detector alone") {
  void *library = dlopen(told("LIBRARY").c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  const auto report_of = reinterpret_cast<SightlineParserReportFunc>(dlsym(library, "SightlineParserReportOf"));
  REQUIRE(report_of != nullptr);
  const auto report = [&](unsigned id) {
    SightlineParserReport found{};
    REQUIRE(report_of(id, &found));
    return found;
  };
  // Of one kind, as two models may be; nothing else here has these numbers.
  const Parser cars = parser_of("SightlineParseYoloEnd2end_5", 64, 64, 3);
  const Parser boats = parser_of("SightlineParseYoloEnd2end_6", 64, 64, 3);
  Answer good{{{"output", {1, 6}, FLOAT, {0, 0, 8, 8, 0.9F, 0}, {}}}};
  Answer odd{{{"output", {1, 6}, FLOAT, {std::numeric_limits<float>::quiet_NaN(), 0, 8, 8, 0.9F, 0}, {}}}};
  Answer wrong{{{"output", {1, 9}, FLOAT, std::vector<float>(9), {}}}};
  CHECK(boats(good, 0.25F).well);
  CHECK(cars(odd, 0.25F).well);
  CHECK(report(5).failures == 1);
  // It cost its picture, and is not why the element ends.
  CHECK_FALSE(report(5).refused);
  CHECK(std::string(report(5).problem) == sightline::not_finite);
  CHECK(report(6).pictures == 1);
  CHECK(report(6).failures == 0);
  CHECK(std::string(report(6).problem).empty());
  CHECK_FALSE(boats(wrong, 0.25F).well);
  CHECK(report(6).refused);
  CHECK(report(5).failures == 1);
  SightlineParserReport none{};
  CHECK_FALSE(report_of(0, &none));
  CHECK_FALSE(report_of(sightline::most_detectors + 1, &none));
}

TEST_CASE("outputs of halves") {
  test_halves();
}
