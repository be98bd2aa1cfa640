// Frames in the card's memory as GStreamer's own video functions want them.
#pragma once

#include <optional>

#include <gst/video/video.h>

#include "surface.h"

namespace standin {

constexpr const char *kNvmmFeature = "memory:NVMM";
constexpr const char *kNvmmCaps = "video/x-raw(memory:NVMM), format=(string){ NV12, RGBA, I420 }, width=(int)[ 1, max ], "
                                  "height=(int)[ 1, max ], framerate=(fraction)[ 0/1, max ]";

bool has_nvmm(const GstCaps *caps);
/** Nothing for a format that the card has not. */
std::optional<NvBufSurfaceColorFormat> color_format(GstVideoFormat format);

/** The same pixels as `surface` has at `index`. No mapping is held: the surface must outlive the frame. */
GstVideoFrame frame_over(const NvBufSurface *surface, uint32_t index, const GstVideoInfo &info);

struct Rectangle {
  int x, y, width, height;
};
/** Where a picture of `width` x `height` stands in one of `out_width` x `out_height`, in even pixels: all of it without
 * padding, else with its own aspect ratio between bands. UNCONFIRMED: that the card's multiplexer puts the picture in the
 * middle. */
Rectangle placement(int width, int height, int out_width, int out_height, bool padding);

/** A pool of buffers of surfaces; with `most` > 0 it blocks when so many are out. */
GstBufferPool *nvmm_pool_new(const SurfaceSpec &spec, guint most);

} // namespace standin
