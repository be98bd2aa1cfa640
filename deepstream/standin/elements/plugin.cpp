// The elements of DeepStream that the program uses, under their own names. One file for each.
#include <gst/gst.h>

#include "elements.h"

namespace {

gboolean register_all(GstPlugin *plugin) {
  gboolean all = TRUE;
  all &= GST_ELEMENT_REGISTER(nvdsosd, plugin);
  all &= GST_ELEMENT_REGISTER(nvinferserver, plugin);
  all &= GST_ELEMENT_REGISTER(nvstreamdemux, plugin);
  all &= GST_ELEMENT_REGISTER(nvstreammux, plugin);
  all &= GST_ELEMENT_REGISTER(nvtracker, plugin);
  all &= GST_ELEMENT_REGISTER(nvurisrcbin, plugin);
  all &= GST_ELEMENT_REGISTER(nvvideoconvert, plugin);
  return all;
}

} // namespace

#define PACKAGE "sightline-standin"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, nvstandin, "DeepStream's elements on the processor, for tests",
                  register_all, "1", "Proprietary", PACKAGE, "https://example.invalid/")
