// Memory of the card, as the stand-in has it. A GstMemory of this kind maps to an NvBufSurface and not to pixels; the pixels
// lie in an anonymous file that is mapped twice: for the stand-in's own code, and without any permission as `dataPtr`.
#pragma once

#include <cstddef>
#include <cstdint>

#include <gst/gst.h>

#include "nvbufsurface.h"

namespace standin {

struct SurfaceSpec {
  uint32_t batch = 1;
  uint32_t width = 0;
  uint32_t height = 0;
  NvBufSurfaceColorFormat format = NVBUF_COLOR_FORMAT_NV12;
  NvBufSurfaceMemType memory = NVBUF_MEM_DEFAULT;
  uint32_t gpu = 0;
};

/** `numFilled` is 0. nullptr where the system has no memory left. */
GstMemory *nvmm_new(const SurfaceSpec &spec);
/** One surface of `parent` as a batch of one, over the same pixels; keeps `parent` alive. */
GstMemory *nvmm_view(GstMemory *parent, uint32_t index);
bool is_nvmm(const GstMemory *memory);
/** The batch of surfaces that a buffer holds; nullptr when it holds something else. */
NvBufSurface *surface_of(GstBuffer *buffer);

struct Plane {
  uint8_t *data = nullptr;
  uint32_t pitch = 0;
  uint32_t width = 0;
  uint32_t height = 0;
};

/** The pixels that no program on the card's host can see: for elements and the encoder of crops alone. */
Plane plane_of(const NvBufSurface *surface, uint32_t index, uint32_t plane);
/** What lies at an address of the card, all `size` bytes of it; nullptr where that is no memory of the card. */
uint8_t *pixels_behind(uint64_t address, size_t size);

} // namespace standin
