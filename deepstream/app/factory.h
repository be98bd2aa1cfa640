#pragma once

#include <gst/gst.h>

namespace sightline::app {

/** Whether GStreamer has an element of that name here. */
inline bool has_factory(const char *name) {
  GstElementFactory *factory = gst_element_factory_find(name);
  if (factory == nullptr) return false;
  gst_object_unref(factory);
  return true;
}

} // namespace sightline::app
