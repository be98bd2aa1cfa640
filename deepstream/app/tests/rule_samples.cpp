// Answers, line by line, what the rules shared with the software worker say of the JSON on stdin. For tests.
#include <iostream>
#include <nlohmann/json.hpp>

#include "crops.h"
#include "join.h"
#include "quality.h"
#include "stream_meter.h"
#include "unit_clock.h"

using namespace sightline::app;
using nlohmann::json;

namespace {

Box box_of(const json &value) {
  return {value["left"], value["top"], value["width"], value["height"]};
}
json json_of(const Box &box) {
  return {{"left", box.left}, {"top", box.top}, {"width", box.width}, {"height", box.height}};
}

json cropped(const json &input) {
  std::optional<FivePoints> points;
  if (input.contains("landmarks")) {
    points.emplace();
    for (std::size_t i = 0; i < 5; i += 1) (*points)[i] = {input["landmarks"][i]["x"], input["landmarks"][i]["y"]};
  }
  return json_of(crop_rect(box_of(input["box"]), points, {input["frame"]["width"], input["frame"]["height"]}));
}

json joined(const json &input) {
  std::vector<Person> persons;
  for (const auto &person : input["persons"]) persons.push_back({person["trackId"], box_of(person["box"])});
  const auto found = join_face(box_of(input["face"]), persons, input.value("before", 0U));
  return found ? json(*found) : json(nullptr);
}

json metered(const json &input) {
  StreamMeter meter;
  meter.declare(input["declaredFps"]);
  for (const auto &unit : input["units"])
    meter.add(unit.contains("ptsMs") ? std::optional<double>(unit["ptsMs"]) : std::nullopt, unit["bytes"], unit["key"]);
  const auto facts = meter.facts();
  return {{"units", facts.units},
          {"bytes", facts.bytes},
          {"mediaMs", facts.media_ms},
          {"keyFrames", facts.key_frames},
          {"keySpanMs", facts.key_span_ms},
          {"longestKeyIntervalMs", facts.longest_key_interval_ms},
          {"reorderUnits", facts.reorder_units},
          {"declaredFps", facts.declared_fps}};
}

} // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const json input = json::parse(line);
    if (input["rule"] == "crop") {
      std::cout << cropped(input) << "\n";
    } else if (input["rule"] == "join") {
      std::cout << joined(input) << "\n";
    } else if (input["rule"] == "stream") {
      std::cout << metered(input) << "\n";
    } else if (input["rule"] == "pts") {
      std::cout << to_pts_90k(std::stoll(input["pts"].get<std::string>())) << "\n";
    }
  }
  return 0;
}
