#include "detector_trouble.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

TEST_CASE("a detector fails until five seconds after the latest picture that it failed at") {
  constexpr std::int64_t second_us = 1'000'000;
  DetectorTrouble trouble;
  CHECK_FALSE(trouble.look(0, 10 * second_us));
  // Whatever the latest picture was.
  for (std::int64_t second = 11; second < 30; second += 1)
    CHECK(trouble.look(static_cast<std::uint64_t>(second / 4), second * second_us));
  CHECK(trouble.look(7, 32 * second_us));
  CHECK_FALSE(trouble.look(7, 33 * second_us));
  CHECK(trouble.look(8, 34 * second_us));
}

TEST_CASE("what a parser of several models could not read is nobody's alone") {
  const auto detector = [](const char *model, DetectorKind kind) { return DetectorSettings{model, "", 1, kind, {}, 5}; };
  const std::vector<DetectorSettings> detectors{detector("cars", DetectorKind::yolo_raw),
                                                detector("faces", DetectorKind::centerface),
                                                detector("boats", DetectorKind::yolo_raw)};
  CHECK(models_of(detectors, DetectorKind::centerface) == std::vector<std::string>{"faces"});
  CHECK(problem_of(models_of(detectors, DetectorKind::centerface), "a NaN") == "a NaN");
  CHECK(problem_of(models_of(detectors, DetectorKind::yolo_raw), "a NaN") == "one of cars, boats: a NaN");
}
