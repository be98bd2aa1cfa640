#pragma once

#include <string_view>

#include "geometry.h"

namespace sightline::app {

/** How a detector's input is filled: what its configuration, protobuf text, says of it. Pure. */
Letterbox::Bands input_bands(std::string_view config);

} // namespace sightline::app
