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
