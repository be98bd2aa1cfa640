#pragma once

#include <cstdint>

/**
 * What the parsers of one kind have met since the library was loaded. nvinferserver loads the library for itself; the program
 * finds the same one by its name, libbridge_infer.so.
 */
struct SightlineParserReport {
  std::uint64_t pictures;
  /** Pictures in which a value was not finite, so that nothing was found there, and those that ended the element. */
  std::uint64_t failures;
  /** Whether the latest picture was one of them. */
  bool failing;
  /** Of the latest failure, cut to fit. */
  char problem[400];
};

/** `kind` as in container.json. False: there is no such kind. */
using SightlineParserReportFunc = bool (*)(const char *kind, SightlineParserReport *report);
