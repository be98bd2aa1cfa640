#pragma once

#include <string>
#include <vector>

namespace sightline::app {

/** What a property takes when it is set: `number` has 32 bits, `wide` 64; `any` is set from a text or is a structure. */
enum class PropertyKind { text, flag, number, wide, any };

struct PropertyNeed {
  const char *name;
  PropertyKind kind;
};

struct ElementNeed {
  const char *factory;
  /** Asked for only where it is there: which encoder is, differs. */
  bool may_be_away;
  std::vector<PropertyNeed> properties;
  /** Names of pad templates that pads are asked of, or that linking waits for. */
  std::vector<const char *> pads;
};

/** Every element that the program makes or meets, with all that it sets of it. */
const std::vector<ElementNeed> &element_needs();

/** What GStreamer here has not, each in a few words; empty when all is there. Loads the plugins of those elements. */
std::vector<std::string> missing_of(const ElementNeed &need);

} // namespace sightline::app
