#pragma once

#include <gst/gst.h>
#include <string>

namespace sightline::app {

/** Text and debug text of an error or a warning, on one line and without addresses. */
std::string bus_text(GstMessage *message);
/** The first sentence of it, for people; what stands behind it names lines of GStreamer's sources. */
std::string short_text(const std::string &text);

} // namespace sightline::app
