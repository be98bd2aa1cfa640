#pragma once

#include <gst/gst.h>
#include <string>

namespace sightline::app {

constexpr const char *hardware_encoder = "nvv4l2h264enc";

/** The one of the processor that is there, or would be looked for. */
const char *software_encoder();

/** For annotated video: few frames between key frames, none held back. `element` is one of the above. */
void set_encoder(GstElement *element, int bitrate_kbps);

} // namespace sightline::app
