#pragma once

#include <string>
#include <vector>

#include "self_check.h"

namespace sightline::app {

/** Files that settings of a container name. */
struct CheckedFiles {
  std::string parsers;
  std::string tracker;
};

/**
 * Whether image and card have what the program needs, tried out as far as that goes without a camera and without a Triton
 * server: what `sightline-bridge --check` prints. src/doctor/container-findings.ts knows the names.
 */
std::vector<Check> checks(const CheckedFiles &files);

} // namespace sightline::app
