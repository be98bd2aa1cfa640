#include "nal_units.h"

#include <catch2/catch.hpp>

using namespace sightline::app;
using namespace std::string_literals;

namespace {

const std::string sps = "\x67\x64\x00\x1f"s;
const std::string pps = "\x68\xee\x3c\x80"s;
const std::string idr = "\x65\x88\x84\x01"s;
const std::string start = "\0\0\0\1"s;

} // namespace

TEST_CASE("an avcC is read") {
  const auto configuration =
      read_configuration("\x01\x64\x00\x1f\xff\xe1\x00\x04"s + sps + "\x01\x00\x04"s + pps, Coding::h264);
  REQUIRE(configuration);
  CHECK(configuration->length_bytes == 4);
  CHECK(configuration->parameter_sets == start + sps + start + pps);
  CHECK_FALSE(read_configuration("\x01\x64\x00\x1f\xff\xe1\x00\x40"s + sps, Coding::h264));
  CHECK_FALSE(read_configuration(start + sps, Coding::h264));
  CHECK_FALSE(read_configuration("", Coding::h265));
}

TEST_CASE("units with lengths become units with start codes") {
  CHECK(to_annex_b("\x00\x00\x00\x04"s + sps + "\x00\x00\x00\x04"s + idr, 4) == start + sps + start + idr);
  CHECK(to_annex_b("\x00\x04"s + idr, 2) == start + idr);
  CHECK_FALSE(to_annex_b("\xff\xff\xff\xff"s + idr, 4));
  CHECK_FALSE(to_annex_b("\x00\x00"s, 4));
  CHECK(to_annex_b(start + idr, 0) == start + idr);
}

TEST_CASE("parameter sets stand before the first slice") {
  CHECK(parameter_sets_of(start + sps + "\0\0\1"s + pps + "\0"s + start + idr + start + sps, Coding::h264) ==
        start + sps + start + pps);
  CHECK(parameter_sets_of(start + idr, Coding::h264).empty());
  CHECK(parameter_sets_of("", Coding::h265).empty());
  const std::string vps = "\x40\x01\x0c"s;
  CHECK(parameter_sets_of(start + vps + start + "\x26\x01\xaf"s, Coding::h265) == start + vps);
}
