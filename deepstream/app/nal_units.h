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
  std::string parameter_sets;
  /** Bytes of the length before each unit; 0 where units are Annex B already. */
  unsigned length_bytes = 0;
};

/** Of a `codec_data`; absent when it is none. */
std::optional<CodecConfiguration> read_configuration(std::string_view codec_data, Coding coding);

/** In Annex B; absent when a length does not fit. */
std::optional<std::string> to_annex_b(std::string_view data, unsigned length_bytes);

/** The parameter sets that stand before the first slice, each behind a start code; empty when there are none. */
std::string parameter_sets_of(std::string_view annex_b, Coding coding);

} // namespace sightline::app
