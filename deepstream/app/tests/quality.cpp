#include "quality.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace sightline::app;
using nlohmann::json;

namespace {

std::vector<std::uint8_t> base64(const std::string &text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> bytes;
  unsigned held = 0;
  int bits = 0;
  for (const char c : text) {
    const auto digit = digits.find(c);
    if (digit == std::string::npos) continue;
    held = held << 6U | static_cast<unsigned>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::uint8_t>(held >> bits & 255U));
  }
  return bytes;
}

} // namespace

TEST_CASE("qualities are those of tools/golden, made with numpy") {
  std::ifstream file(FIXTURES "/golden/quality.json");
  const json golden = json::parse(file);
  REQUIRE(golden["cases"].size() >= 3);
  for (const auto &item : golden["cases"]) {
    INFO(item["name"]);
    const Grey grey{item["width"], item["height"], base64(item["grey"])};
    std::optional<FivePoints> landmarks;
    if (!item["landmarks"].is_null()) {
      landmarks.emplace();
      for (std::size_t i = 0; i < 5; i += 1) (*landmarks)[i] = {item["landmarks"][i][0], item["landmarks"][i][1]};
    }
    const json &box = item["box"];
    const Quality quality =
        assess_crop({grey, {box[0], box[1], box[2], box[3]}, landmarks, item["score"], item["visible"], item["heightPx"]});
    const json &expected = item["expected"];
    CHECK(quality.sharpness == Approx(expected["sharpness"].get<double>()).epsilon(1e-3).margin(1e-3));
    CHECK(quality.roll_degrees == Approx(expected["rollDegrees"].get<double>()).epsilon(1e-3).margin(1e-3));
    CHECK(quality.yaw == Approx(expected["yaw"].get<double>()).epsilon(1e-3).margin(1e-3));
    CHECK(quality.overall == Approx(expected["overall"].get<double>()).epsilon(1e-3).margin(1e-3));
    CHECK(quality.overall <= best_quality(landmarks, item["score"], item["visible"], item["heightPx"]));
  }
}

TEST_CASE("what is no JPEG has no brightness") {
  const std::vector<std::uint8_t> bytes{0xff, 0xd8, 0xff, 0x00, 0x12};
  CHECK_FALSE(grey_of_jpeg(bytes.data(), bytes.size(), 512));
  CHECK_FALSE(grey_of_jpeg(bytes.data(), 0, 512));
}
