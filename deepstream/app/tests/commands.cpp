#include "commands.h"

#include "protozero_checked.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <protozero/pbf_builder.hpp>
#include <random>

#include "messages.h"
#include "wire.h"

using namespace sightline::app;
using namespace std::string_literals;

namespace {

std::vector<Polygon> masks_read(const std::vector<double> &points) {
  using protozero::pbf_builder;
  std::string mask;
  pbf_builder<wire::Polygon>(mask).add_packed_double(wire::Polygon::points, points.begin(), points.end());
  std::string camera;
  pbf_builder<wire::CameraConfig>(camera).add_message(wire::CameraConfig::masks, mask);
  std::string configure;
  pbf_builder<wire::Configure>(configure).add_message(wire::Configure::cameras, camera);
  std::string bytes;
  pbf_builder<wire::DaemonMessage>(bytes).add_message(wire::DaemonMessage::configure, configure);
  return std::get<Configure>(read_command(bytes)).cameras.at(0).masks;
}

} // namespace

TEST_CASE("a mask has three corners or more, all in the picture, or its camera is refused") {
  const auto masks = masks_read({0, 0.25, 1, 0.5, 0.75, 1});
  REQUIRE(masks.size() == 1);
  REQUIRE(masks[0].size() == 3);
  CHECK((masks[0][2].x == 0.75 && masks[0][2].y == 1));
  CHECK_THROWS_WITH(masks_read({}), "a mask of 0 corners; a mask has three or more");
  CHECK_THROWS_WITH(masks_read({0, 0, 1, 1}), "a mask of 2 corners; a mask has three or more");
  CHECK_THROWS_WITH(masks_read({0, 0, 1, 1, 0}), "a corner without a height");
  for (const double none : {std::nan(""), double{INFINITY}, -0.01, 1.01}) {
    CHECK_THROWS_WITH(masks_read({0, 0, 1, 0, 1, none}), Catch::Contains("corners are from 0 to 1"));
    CHECK_THROWS_WITH(masks_read({none, 0, 1, 0, 1, 1}), Catch::Contains("corners are from 0 to 1"));
  }
}

TEST_CASE("a stream is cut into messages, however it comes") {
  const std::string stream = pong_message(7) + drained_message() + pong_message(300);
  for (std::size_t part = 1; part < stream.size(); part += 1) {
    MessageSplitter splitter;
    std::size_t messages = 0;
    for (std::size_t at = 0; at < stream.size(); at += part) {
      splitter.push(std::string_view(stream).substr(at, part));
      for (std::string_view message; splitter.next(message);) messages += 1;
    }
    CHECK(messages == 3);
  }
}

TEST_CASE("a message that is too long ends the stream") {
  MessageSplitter splitter;
  std::string_view message;
  splitter.push("\xff\xff\xff\x7f"s);
  CHECK_THROWS_AS(splitter.next(message), std::length_error);
}

TEST_CASE("a field of another wire type than it should have is no message") {
  // Ping as a number, not a message; Ping.id as text.
  CHECK_THROWS(read_command("\x28\x01"s));
  CHECK_NOTHROW(read_command("\x2a\x03\x0a\x01\x61"s));
  CHECK_THROWS(read_command("\x2a\x7f\x08"s));
}

TEST_CASE("no bytes make the reader fail otherwise than by an exception") {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int round = 0; round < 20'000; round += 1) {
    std::string bytes(static_cast<std::size_t>(byte(random)) % 40, '\0');
    for (char &one : bytes) one = static_cast<char>(byte(random));
    // Bytes that begin as one of the daemon's messages get further.
    if (bytes.size() > 2) bytes[0] = static_cast<char>(((round % 8) << 3) | 2), bytes[1] = static_cast<char>(bytes.size() - 2);
    try {
      read_command(bytes);
    } catch (const std::exception &) {
    }
  }
}
