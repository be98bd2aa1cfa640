#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/**
 * H.264 and H.265 as written with start codes (Annex B of both standards) and with lengths (ISO/IEC 14496-15): what
 * src/software-worker/nal-units.ts and key-pictures.ts do. Pure.
 */
namespace sightline::app {

enum class Coding { h264, h265 };

struct CodecConfiguration {
  /** Annex B; empty where only the units have them. */
  std::string parameterSets;
  /** Bytes of the length before each unit; 0 where units are Annex B already. */
  unsigned lengthBytes = 0;
};

/** Of a `codec_data`; absent when it is none. */
std::optional<CodecConfiguration> readConfiguration(std::string_view codecData, Coding coding);

/** In Annex B; absent when a length does not fit. */
std::optional<std::string> toAnnexB(std::string_view data, unsigned lengthBytes);

/** The parameter sets that stand before the first slice, each behind a start code; empty when there are none. */
std::string parameterSetsOf(std::string_view annexB, Coding coding);

} // namespace sightline::app
