#pragma once

#include <optional>

#include <report.h>

#include "settings.h"

namespace sightline::app {

/** What the parser of a detector has met; absent before an element has loaded it. */
std::optional<SightlineParserReport> parser_report(const DetectorSettings &detector);

} // namespace sightline::app
