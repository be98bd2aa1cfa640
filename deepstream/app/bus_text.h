#pragma once

#include <gst/gst.h>
#include <string>

namespace sightline::app {

/** Text and debug text of an error or a warning, on one line and without addresses. */
std::string bus_text(GstMessage *message);
/** The first sentence of it, for people; what stands behind it names lines of GStreamer's sources. */
std::string short_text(const std::string &text);
/** That sentence, and the element's own behind it. */
std::string words_of(const std::string &text);

inline bool holds(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

} // namespace sightline::app
