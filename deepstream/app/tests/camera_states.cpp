#include "camera_states.h"

#include <catch2/catch.hpp>

#include "bus_text.h"

using namespace sightline::app;

TEST_CASE("one crop that is refused is no trouble, however long no other is asked for") {
  constexpr std::int64_t second_us = 1'000'000;
  CropTrouble trouble;
  CHECK_FALSE(trouble.look(5, 0, 1 * second_us));
  for (std::int64_t second = 2; second < 100; second += 1) CHECK_FALSE(trouble.look(5, 1, second * second_us));
  // Nothing was cut since: the next says that it lasts.
  CHECK(trouble.look(5, 2, 100 * second_us));
  CHECK_FALSE(trouble.look(6, 2, 101 * second_us));
  CHECK_FALSE(trouble.look(6, 3, 102 * second_us));
}

TEST_CASE("crops that are refused for three seconds are a trouble when none was cut, until one is") {
  constexpr std::int64_t second_us = 1'000'000;
  CropTrouble trouble;
  CHECK_FALSE(trouble.look(0, 0, 1 * second_us));
  CHECK_FALSE(trouble.look(5, 1, 2 * second_us));
  CHECK_FALSE(trouble.look(5, 2, 3 * second_us));
  CHECK_FALSE(trouble.look(5, 9, 5 * second_us));
  CHECK_FALSE(trouble.look(5, 9, 6 * second_us));
  CHECK(trouble.look(5, 10, 7 * second_us));
  CHECK(trouble.look(5, 12, 60 * second_us));
  CHECK_FALSE(trouble.look(6, 12, 61 * second_us));
  CHECK_FALSE(trouble.look(6, 12, 90 * second_us));
}

TEST_CASE("what GStreamer says of a source is told in its sentences alone") {
  const std::string place = " (../gst/rtsp/gstrtspsrc.c(8336): gst_rtspsrc_retrieve_sdp (): "
                            "/GstPipeline:sightline/NvUriSrcBin:source-1/GstBin:rtsp_source/GstRTSPSrc:src";
  const auto refused =
      words_of("Could not open resource for reading and writing." + place + ": Failed to connect. (Generic error))");
  CHECK(refused == "Could not open resource for reading and writing: Failed to connect. (Generic error)");
  CHECK(std::string(code_of(refused)) == "source.unreachable");
  CHECK(words_of("Unauthorized" + place + ")") == "Unauthorized");
  const auto unauthorized = words_of("Unauthorized" + place + ": Unauthorized (401))");
  CHECK(unauthorized == "Unauthorized (401)");
  CHECK(std::string(code_of(unauthorized)) == "source.auth");
  CHECK(words_of("Could not read from resource.") == "Could not read from resource.");
}

namespace {

/** A live camera of so many frames a second, five looks a second asked. */
Camera asked_five() {
  CameraConfig config;
  config.camera = "lobby";
  config.detect.push_back({"faces", 5, 0, {}, 0});
  config.detect.push_back({"persons", 2, 0, {}, 0});
  return {0, 0, std::move(config), true};
}

} // namespace

TEST_CASE("a camera is late where detectors or decoder leave frames out, each in its own words, until that is over") {
  constexpr std::int64_t second_us = 1'000'000;
  Log log(LogLevel::error);
  Camera camera = asked_five();
  LateTrouble trouble;
  std::int64_t now_us = second_us;
  const auto pass = [&](int seconds, unsigned decoded, unsigned skipped, unsigned looked, unsigned left_out) {
    for (int i = 0; i < seconds; i += 1) {
      camera.delivered += decoded;
      camera.units_skipped += skipped;
      camera.frames_detected += looked;
      camera.frames_dropped += left_out;
      now_us += second_us;
      trouble.look(camera, now_us, log);
    }
  };
  trouble.look(camera, now_us, log);
  pass(60, 25, 0, 5, 0);
  CHECK(trouble.looking().reason.empty());
  pass(12, 25, 0, 2, 20);
  CHECK(std::string(trouble.looking().code) == "camera.late");
  CHECK(trouble.looking().reason.find(
            " of 5.0 frames a second are looked at: card, Triton or processor have no time for more; ") == 3);
  CHECK(trouble.decoding().reason.empty());
  pass(60, 25, 0, 5, 0);
  CHECK(trouble.looking().reason.empty());
  // What is not decoded is no fault of the detectors.
  pass(12, 3, 22, 3, 0);
  CHECK(trouble.looking().reason.empty());
  CHECK(trouble.decoding().reason.find(" of 25.0 frames a second are decoded: there is no time for more; ") !=
        std::string::npos);
  trouble.forget();
  CHECK(trouble.decoding().reason.empty());
}

TEST_CASE("a camera whose detectors hang is late before they end, though nothing comes through that tells what was left out") {
  constexpr std::int64_t second_us = 1'000'000;
  Log log(LogLevel::error);
  Camera camera = asked_five();
  LateTrouble trouble;
  std::int64_t pts = 0;
  const auto pass = [&](int seconds, bool hangs) {
    for (int i = 0; i < seconds; i += 1) {
      for (int frame = 0; frame < 25; frame += 1) {
        pts += 1;
        camera.delivered += 1;
        camera.arrivals.add(pts, pts);
        camera.reach_gate(pts, static_cast<int>(pts), !hangs);
      }
      if (!hangs) camera.frames_detected += 5;
      trouble.look(camera, (1 + pts / 25) * second_us, log);
    }
  };
  pass(60, false);
  CHECK(trouble.looking().reason.empty());
  pass(5, true);
  CHECK(std::string(trouble.looking().code) == "camera.late");
  CHECK(camera.passed_over() == 125);
}
