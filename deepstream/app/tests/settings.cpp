#include "settings.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace sightline::app;
using nlohmann::json;

namespace {

/** The example of docs/decisions/deepstream-container.md. */
const char *const example = R"({
  "version": 1,
  "worker": "deepstream-main",
  "bridge": "/run/sightline/bridge.sock",
  "media": "/run/sightline/media.sock",
  "tokenFile": "/etc/sightline/token",
  "logLevel": "info",
  "gpu": 0,
  "mux": { "width": 1920, "height": 1080, "batchedPushTimeoutUs": 40000, "bufferPoolSize": 8 },
  "detectors": [
    { "model": "centerface", "config": "/etc/sightline/infer-centerface.txt", "uniqueId": 1, "kind": "centerface", "labels": ["face"], "fps": 5 },
    { "model": "yolov7", "config": "/etc/sightline/infer-yolov7.txt", "uniqueId": 2, "kind": "yolo-end2end", "labels": ["person", "bicycle"], "fps": 5 }
  ],
  "tracker": { "library": "/opt/lib/libnvds_nvmultiobjecttracker.so", "config": "/etc/sightline/tracker.yml", "width": 960, "height": 544 },
  "encoder": { "kind": "auto", "bitrateKbps": 4000 },
  "limits": { "startMs": 120000, "batchMs": 10000, "stopMs": 5000, "aloneMs": 600000, "waitingMiB": 32 },
  "cameras": [ { "camera": "lobby", "sourceId": 0 } ]
})";

std::string refusal(const json &settings) {
  try {
    parse_settings(settings.dump(), "container.json");
  } catch (const SettingsError &error) {
    return error.what();
  }
  return "it was taken";
}

std::string refusal(const char *pointer, const json &value) {
  json changed = json::parse(example);
  changed[json::json_pointer(pointer)] = value;
  return refusal(changed);
}

} // namespace

TEST_CASE("the example of the contract is read") {
  const Settings settings = parse_settings(example, "container.json");
  CHECK(settings.worker == "deepstream-main");
  CHECK(settings.media == "/run/sightline/media.sock");
  CHECK(settings.mux.buffer_pool_size == 8);
  REQUIRE(settings.detectors.size() == 2);
  CHECK(settings.detectors[1].kind == DetectorKind::yolo_end2end);
  CHECK(settings.detectors[1].labels == std::vector<std::string>{"person", "bicycle"});
  CHECK(settings.cameras[0].camera == "lobby");
  json without = json::parse(example);
  without.erase("media");
  CHECK_FALSE(parse_settings(without.dump(), "container.json").media.has_value());
}

TEST_CASE("what cannot work is refused with file, key, value and what is allowed") {
  CHECK(refusal("/mux/width", "wide") == "container.json: mux.width is \"wide\"; allowed: a whole number from 64 to 8192");
  CHECK(refusal("/mux/width", 4294967296) ==
        "container.json: mux.width is 4294967296; allowed: a whole number from 64 to 8192");
  CHECK(refusal("/mux/width", 1920.5) == "container.json: mux.width is 1920.5; allowed: a whole number from 64 to 8192");
  CHECK(refusal("/detectors/1/kind", "ssd") ==
        "container.json: detectors[1].kind is \"ssd\"; allowed: one of centerface yolo-end2end yolo-raw");
  CHECK(refusal("/detectors/1/uniqueId", 1) ==
        "container.json: detectors[1].uniqueId is 1; allowed: another for each detector");
  CHECK(refusal("/cameras", json::array()) == "container.json: cameras is []; allowed: a list of 1 to 64");
  CHECK(refusal("/version", 2) == "container.json: version is 2; allowed: a whole number from 1 to 1");
  CHECK(refusal("/bridge", "bridge.sock") == "container.json: bridge is \"bridge.sock\"; allowed: an absolute path");
  CHECK(refusal("/limits/stopMS", 5) ==
        "container.json: limits.stopMS is not known; allowed here: startMs, batchMs, stopMs, aloneMs, waitingMiB");
  json without = json::parse(example);
  without["encoder"].erase("kind");
  CHECK(refusal(without) == "container.json: encoder.kind is missing; allowed: one of auto hardware software none");
  CHECK(refusal(json::array()) == "container.json: the file is []; allowed: an object");
}

TEST_CASE("what is no JSON is refused") {
  CHECK_THROWS_AS(parse_settings("{", "container.json"), SettingsError);
  CHECK_THROWS_WITH(parse_settings(R"({"version": 1, "version": 1})", "container.json"),
                    "container.json: version stands twice; allowed: once");
  CHECK_THROWS_AS(read_settings("/nonexistent/container.json"), SettingsError);
}
