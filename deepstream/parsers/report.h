#pragma once

#include <cstdint>

namespace sightline {

/** In a container: `unique_id` is from 1 to this. Settings with more are refused (`app/settings.cpp`), and not rendered. */
constexpr unsigned most_detectors = 8;

} // namespace sightline

/**
 * What the parsers of one detector have met since the library was loaded. nvinferserver loads the library for itself; the
 * program finds the same one by its name, libbridge_infer.so.
 */
struct SightlineParserReport {
  std::uint64_t pictures;
  /** Pictures in which a value was not finite, so that nothing was found there, and those that ended the element. */
  std::uint64_t failures;
  /** Whether the latest picture ended the element. */
  bool refused;
  /** Of the latest failure, cut to fit. */
  char problem[400];
};

/** `unique_id` as in container.json. False: no detector has such a one. */
using SightlineParserReportFunc = bool (*)(unsigned unique_id, SightlineParserReport *report);
