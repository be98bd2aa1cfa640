#include "nal_units.h"

namespace sightline::app {
namespace {

constexpr std::string_view start_code("\0\0\0\1", 4);

unsigned char at(std::string_view bytes, std::size_t index) {
  return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0;
}

unsigned type_of(unsigned char header, Coding coding) {
  return coding == Coding::h264 ? header & 0x1fU : (header >> 1U) & 0x3fU;
}

/** ITU-T H.264, table 7-1: sequence and picture parameter set, and the extension of the first. H.265: video, sequence, picture.
 */
bool is_parameter_set(unsigned type, Coding coding) {
  return coding == Coding::h264 ? type == 7 || type == 8 || type == 13 : type >= 32 && type <= 34;
}

bool is_slice(unsigned type, Coding coding) {
  return coding == Coding::h264 ? type >= 1 && type <= 5 : type < 32;
}

/** `count` units, each behind two bytes of length; false when a length does not fit. */
bool take_units(std::string_view bytes, std::size_t &from, unsigned count, std::string *into) {
  for (; count > 0; count -= 1) {
    if (from + 2 > bytes.size()) return false;
    const std::size_t length = at(bytes, from) * 256U + at(bytes, from + 1);
    if (from + 2 + length > bytes.size()) return false;
    if (into != nullptr) into->append(start_code).append(bytes.substr(from + 2, length));
    from += 2 + length;
  }
  return true;
}

/** Where the unit behind the next start code begins; npos when there is none. */
std::size_t next_unit(std::string_view bytes, std::size_t from) {
  const auto found = bytes.find(start_code.substr(1), from);
  return found == std::string_view::npos ? found : found + 3;
}

} // namespace

std::optional<CodecConfiguration> read_configuration(std::string_view data, Coding coding) {
  const std::size_t length_at = coding == Coding::h264 ? 4 : 21;
  if (at(data, 0) != 1 || data.size() <= length_at + 1) return std::nullopt;
  CodecConfiguration configuration{"", (at(data, length_at) & 3U) + 1U};
  if (coding == Coding::h264) {
    std::size_t from = 6;
    if (!take_units(data, from, at(data, 5) & 0x1fU, &configuration.parameter_sets)) return std::nullopt;
    const unsigned picture_sets = at(data, from);
    from += 1;
    if (!take_units(data, from, picture_sets, &configuration.parameter_sets)) return std::nullopt;
    return configuration;
  }
  std::size_t from = 23;
  for (unsigned arrays = at(data, 22); arrays > 0; arrays -= 1) {
    if (from + 3 > data.size()) return std::nullopt;
    // Other units may stand here, and are no parameter sets.
    const bool wanted = is_parameter_set(at(data, from) & 0x3fU, coding);
    const unsigned count = at(data, from + 1) * 256U + at(data, from + 2);
    from += 3;
    if (!take_units(data, from, count, wanted ? &configuration.parameter_sets : nullptr)) return std::nullopt;
  }
  return configuration;
}

std::optional<std::string> to_annex_b(std::string_view data, unsigned length_bytes) {
  if (length_bytes == 0) return std::string(data);
  std::string units;
  units.reserve(data.size() + 64);
  for (std::size_t from = 0; from < data.size();) {
    if (from + length_bytes > data.size()) return std::nullopt;
    std::size_t length = 0;
    for (unsigned i = 0; i < length_bytes; i += 1) length = length * 256 + at(data, from + i);
    from += length_bytes;
    if (length > data.size() - from) return std::nullopt;
    units.append(start_code).append(data.substr(from, length));
    from += length;
  }
  return units;
}

std::string parameter_sets_of(std::string_view annex_b, Coding coding) {
  std::string found;
  auto begin = next_unit(annex_b, 0);
  while (begin != std::string_view::npos && !is_slice(type_of(at(annex_b, begin), coding), coding)) {
    const auto next = next_unit(annex_b, begin);
    if (is_parameter_set(type_of(at(annex_b, begin), coding), coding)) {
      auto end = next == std::string_view::npos ? annex_b.size() : next - 3;
      while (end > begin && annex_b[end - 1] == '\0') end -= 1;
      found.append(start_code).append(annex_b.substr(begin, end - begin));
    }
    begin = next;
  }
  return found;
}

} // namespace sightline::app
