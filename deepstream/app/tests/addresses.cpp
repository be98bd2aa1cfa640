#include "addresses.h"

#include <catch2/catch.hpp>
#include <stdexcept>

using namespace sightline::app;

TEST_CASE("an RTSP address loses its credential") {
  const auto address = parse_address("rtsp://admin:p%40ss:w%2Frd@10.0.0.7:554/live?profile=1");
  CHECK(address.uri == "rtsp://10.0.0.7:554/live?profile=1");
  CHECK(address.user == "admin");
  CHECK(address.password == "p@ss:w/rd");
  CHECK(address.live);
}

TEST_CASE("an address without a credential stays as it is") {
  const auto address = parse_address("rtsp://camera/a@b");
  CHECK(address.uri == "rtsp://camera/a@b");
  CHECK(address.user.empty());
}

TEST_CASE("a scheme is in small letters, whatever was written, and a path is left alone") {
  CHECK(parse_address("RTSP://Camera/Live").uri == "rtsp://Camera/Live");
  CHECK(parse_address("/Clips/A://B.mp4").uri.find("/Clips/A") != std::string::npos);
}

TEST_CASE("percent signs that encode nothing stay") {
  CHECK(parse_address("rtsp://u:100%@h/").password == "100%");
  CHECK(parse_address("rtsp://u:1%zz0@h/").password == "1%zz0");
}

TEST_CASE("files are addresses too") {
  CHECK(parse_address("/clips/a b.mp4").uri == "file:///clips/a%20b.mp4");
  CHECK_FALSE(parse_address("/clips/a.mp4").live);
  CHECK_THROWS_AS(parse_address("clips/a.mp4"), std::invalid_argument);
}

TEST_CASE("other schemes are refused without telling what stands behind them") {
  try {
    parse_address("rtsps://admin:secret@camera/live");
    FAIL("it was taken");
  } catch (const std::invalid_argument &error) {
    CHECK(std::string(error.what()).find("secret") == std::string::npos);
    CHECK(std::string(error.what()).find("rtsps://") != std::string::npos);
  }
}

TEST_CASE("texts lose all of an address but its host") {
  CHECK(scrubbed("Could not open rtsp://u:p@ss@cam:554/x?token=abc: not found") == "Could not open rtsp://cam:554 not found");
  CHECK(scrubbed("a \"rtsp://u:p@cam/x\" b http://h/y") == "a \"rtsp://cam\" b http://h");
  CHECK(scrubbed("no address at all :// here") == "no address at all :// here");
  CHECK(scrubbed("") == "");
}
