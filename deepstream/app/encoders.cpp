#include "encoders.h"

#include "factory.h"

namespace sightline::app {
namespace {

/** Frames between key frames, about two seconds. */
constexpr guint key_every = 50;
constexpr guint kbit = 1000;

} // namespace

const char *software_encoder() {
  return has_factory("x264enc") ? "x264enc" : "openh264enc";
}

void set_encoder(GstElement *element, int bitrate_kbps) {
  const std::string name = GST_OBJECT_NAME(gst_element_get_factory(element));
  const auto kbits_per_second = static_cast<guint>(bitrate_kbps);
  if (name == hardware_encoder) {
    g_object_set(element, "bitrate", kbits_per_second * kbit, "iframeinterval", key_every, "idrinterval", key_every,
                 "insert-sps-pps", TRUE, nullptr);
  } else if (name == "x264enc") {
    g_object_set(element, "bitrate", kbits_per_second, "key-int-max", key_every, "bframes", 0U, nullptr);
    gst_util_set_object_arg(G_OBJECT(element), "tune", "zerolatency");
    gst_util_set_object_arg(G_OBJECT(element), "speed-preset", "ultrafast");
  } else {
    g_object_set(element, "bitrate", kbits_per_second * kbit, "gop-size", key_every, nullptr);
  }
}

} // namespace sightline::app
