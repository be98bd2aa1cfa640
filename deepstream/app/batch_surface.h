#pragma once

#include <nvbufsurface.h>

#include "holders.h"

namespace sightline::app {

/** A batch's pictures, which stand as long as the buffer; mapped, it is their description. Null where it cannot be read. */
inline NvBufSurface *batch_surface(GstBuffer *buffer) {
  const MappedBuffer mapped(buffer);
  return mapped ? reinterpret_cast<NvBufSurface *>(const_cast<guint8 *>(mapped.data())) : nullptr;
}

} // namespace sightline::app
