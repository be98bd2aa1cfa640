// Every element of the stand-in: declared here, registered in plugin.cpp (GST_ELEMENT_REGISTER), its file named in meson.build.
#pragma once

#include <gst/gst.h>

GST_ELEMENT_REGISTER_DECLARE(nvdsosd)
GST_ELEMENT_REGISTER_DECLARE(nvinferserver)
GST_ELEMENT_REGISTER_DECLARE(nvstreamdemux)
GST_ELEMENT_REGISTER_DECLARE(nvstreammux)
GST_ELEMENT_REGISTER_DECLARE(nvtracker)
GST_ELEMENT_REGISTER_DECLARE(nvurisrcbin)
GST_ELEMENT_REGISTER_DECLARE(nvvideoconvert)
