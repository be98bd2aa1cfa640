#pragma once

#include <optional>

#include <report.h>

#include "settings.h"

namespace sightline::app {

/** What the parsers of a kind have met; absent before an element has loaded them. Detectors of one kind share it. */
std::optional<SightlineParserReport> parser_report(DetectorKind kind);

} // namespace sightline::app
