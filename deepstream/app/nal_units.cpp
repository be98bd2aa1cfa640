#include "nal_units.h"

namespace sightline::app {
namespace {

constexpr std::string_view startCode("\0\0\0\1", 4);

unsigned char at(std::string_view bytes, std::size_t index) {
  return index < bytes.size() ? static_cast<unsigned char>(bytes[index]) : 0;
}

unsigned typeOf(unsigned char header, Coding coding) {
  return coding == Coding::h264 ? header & 0x1fU : (header >> 1U) & 0x3fU;
}

/** ITU-T H.264, table 7-1: sequence and picture parameter set, and the extension of the first. H.265: video, sequence, picture.
 */
bool isParameterSet(unsigned type, Coding coding) {
  return coding == Coding::h264 ? type == 7 || type == 8 || type == 13 : type >= 32 && type <= 34;
}

bool isSlice(unsigned type, Coding coding) {
  return coding == Coding::h264 ? type >= 1 && type <= 5 : type < 32;
}

/** `count` units, each behind two bytes of length; false when a length does not fit. */
bool takeUnits(std::string_view bytes, std::size_t &from, unsigned count, std::string *into) {
  for (; count > 0; count -= 1) {
    if (from + 2 > bytes.size()) return false;
    const std::size_t length = at(bytes, from) * 256U + at(bytes, from + 1);
    if (from + 2 + length > bytes.size()) return false;
    if (into != nullptr) into->append(startCode).append(bytes.substr(from + 2, length));
    from += 2 + length;
  }
  return true;
}

/** Where the unit behind the next start code begins; npos when there is none. */
std::size_t nextUnit(std::string_view bytes, std::size_t from) {
  const auto found = bytes.find(startCode.substr(1), from);
  return found == std::string_view::npos ? found : found + 3;
}

} // namespace

std::optional<CodecConfiguration> readConfiguration(std::string_view data, Coding coding) {
  const std::size_t lengthAt = coding == Coding::h264 ? 4 : 21;
  if (at(data, 0) != 1 || data.size() <= lengthAt + 1) return std::nullopt;
  CodecConfiguration configuration{"", (at(data, lengthAt) & 3U) + 1U};
  if (coding == Coding::h264) {
    std::size_t from = 6;
    if (!takeUnits(data, from, at(data, 5) & 0x1fU, &configuration.parameterSets)) return std::nullopt;
    const unsigned pictureSets = at(data, from);
    from += 1;
    if (!takeUnits(data, from, pictureSets, &configuration.parameterSets)) return std::nullopt;
    return configuration;
  }
  std::size_t from = 23;
  for (unsigned arrays = at(data, 22); arrays > 0; arrays -= 1) {
    if (from + 3 > data.size()) return std::nullopt;
    // Other units may stand here, and are no parameter sets.
    const bool wanted = isParameterSet(at(data, from) & 0x3fU, coding);
    const unsigned count = at(data, from + 1) * 256U + at(data, from + 2);
    from += 3;
    if (!takeUnits(data, from, count, wanted ? &configuration.parameterSets : nullptr)) return std::nullopt;
  }
  return configuration;
}

std::optional<std::string> toAnnexB(std::string_view data, unsigned lengthBytes) {
  if (lengthBytes == 0) return std::string(data);
  std::string units;
  units.reserve(data.size() + 64);
  for (std::size_t from = 0; from < data.size();) {
    if (from + lengthBytes > data.size()) return std::nullopt;
    std::size_t length = 0;
    for (unsigned i = 0; i < lengthBytes; i += 1) length = length * 256 + at(data, from + i);
    from += lengthBytes;
    if (length > data.size() - from) return std::nullopt;
    units.append(startCode).append(data.substr(from, length));
    from += length;
  }
  return units;
}

std::string parameterSetsOf(std::string_view annexB, Coding coding) {
  std::string found;
  auto begin = nextUnit(annexB, 0);
  while (begin != std::string_view::npos && !isSlice(typeOf(at(annexB, begin), coding), coding)) {
    const auto next = nextUnit(annexB, begin);
    if (isParameterSet(typeOf(at(annexB, begin), coding), coding)) {
      auto end = next == std::string_view::npos ? annexB.size() : next - 3;
      while (end > begin && annexB[end - 1] == '\0') end -= 1;
      found.append(startCode).append(annexB.substr(begin, end - begin));
    }
    begin = next;
  }
  return found;
}

} // namespace sightline::app
