#pragma once

#include "log.h"

namespace sightline::app {

/**
 * What GStreamer and GLib would write on stderr becomes log lines, so that each line there is one JSON object and holds no
 * address: a few a second, the others are counted. Once, after gst_init; `log` must outlive the process's use of both.
 */
void take_library_texts(Log &log);

} // namespace sightline::app
