#include "element_needs.h"

#include <algorithm>
#include <cstring>
#include <gst/gst.h>

#include "holders.h"

namespace sightline::app {
namespace {

using Kind = PropertyKind;

struct TypeClassUnref {
  void operator()(gpointer type) const { g_type_class_unref(type); }
};
using TypeClass = std::unique_ptr<GObjectClass, TypeClassUnref>;

bool takes(Kind kind, GType type) {
  switch (G_TYPE_FUNDAMENTAL(type)) {
  case G_TYPE_STRING:
    return kind == Kind::text;
  case G_TYPE_BOOLEAN:
    return kind == Kind::flag;
  case G_TYPE_INT:
  case G_TYPE_UINT:
  case G_TYPE_ENUM:
  case G_TYPE_FLAGS:
    return kind == Kind::number;
  case G_TYPE_INT64:
  case G_TYPE_UINT64:
  case G_TYPE_LONG:
  case G_TYPE_ULONG:
    return kind == Kind::wide;
  default:
    return false;
  }
}

const char *words_of(Kind kind) {
  switch (kind) {
  case Kind::text:
    return "a text";
  case Kind::flag:
    return "a boolean";
  case Kind::number:
    return "a number of 32 bits";
  case Kind::wide:
    return "a number of 64 bits";
  case Kind::any:
    break;
  }
  return "anything";
}

bool has_pad(GstElementFactory *factory, const char *name) {
  for (const GList *at = gst_element_factory_get_static_pad_templates(factory); at != nullptr; at = at->next)
    if (std::strcmp(static_cast<GstStaticPadTemplate *>(at->data)->name_template, name) == 0) return true;
  return false;
}

std::string problem_of(GObjectClass *type, const PropertyNeed &need) {
  const GParamSpec *found = g_object_class_find_property(type, need.name);
  if (found == nullptr) return std::string("no property ") + need.name;
  if ((found->flags & G_PARAM_WRITABLE) == 0) return std::string("the property ") + need.name + " cannot be set";
  if (need.kind == Kind::any || takes(need.kind, found->value_type)) return "";
  return std::string("the property ") + need.name + " is a " + g_type_name(found->value_type) + ", not " + words_of(need.kind);
}

} // namespace

const std::vector<ElementNeed> &element_needs() {
  static const std::vector<ElementNeed> needs{
      {"nvurisrcbin",
       false,
       {{"uri", Kind::text},
        {"source-id", Kind::number},
        {"gpu-id", Kind::number},
        {"disable-audio", Kind::flag},
        {"num-extra-surfaces", Kind::number},
        {"rtsp-reconnect-interval", Kind::number},
        {"init-rtsp-reconnect-interval", Kind::number},
        {"rtsp-reconnect-attempts", Kind::number},
        {"select-rtp-protocol", Kind::number},
        {"latency", Kind::number}},
       {"vsrc_%u"}},
      {"rtspsrc", false, {{"user-id", Kind::text}, {"user-pw", Kind::text}}, {}},
      {"nvstreammux",
       false,
       {{"batch-size", Kind::number},
        {"width", Kind::number},
        {"height", Kind::number},
        {"batched-push-timeout", Kind::number},
        {"live-source", Kind::flag},
        {"enable-padding", Kind::flag},
        {"buffer-pool-size", Kind::number},
        {"gpu-id", Kind::number},
        {"attach-sys-ts", Kind::flag},
        {"drop-pipeline-eos", Kind::flag}},
       {"sink_%u", "src"}},
      {"nvinferserver", false, {{"config-file-path", Kind::text}, {"unique-id", Kind::number}}, {"sink", "src"}},
      {"nvtracker",
       false,
       {{"ll-lib-file", Kind::text},
        {"ll-config-file", Kind::text},
        {"tracker-width", Kind::number},
        {"tracker-height", Kind::number},
        {"gpu-id", Kind::number},
        {"display-tracking-id", Kind::flag}},
       {"sink", "src"}},
      {"nvstreamdemux", false, {}, {"sink", "src_%u"}},
      {"nvvideoconvert", false, {}, {"sink", "src"}},
      {"nvdsosd", false, {}, {"sink", "src"}},
      {"h264parse", false, {{"config-interval", Kind::number}}, {"sink", "src"}},
      {"queue",
       false,
       {{"max-size-buffers", Kind::number},
        {"max-size-bytes", Kind::number},
        {"max-size-time", Kind::wide},
        {"leaky", Kind::any}},
       {}},
      {"tee", false, {{"allow-not-linked", Kind::flag}}, {"src_%u"}},
      {"capsfilter", false, {{"caps", Kind::any}}, {}},
      {"fakesink", false, {{"sync", Kind::flag}, {"async", Kind::flag}}, {}},
      {"appsink",
       false,
       {{"sync", Kind::flag}, {"async", Kind::flag}, {"max-buffers", Kind::number}, {"drop", Kind::flag}},
       {}},
      {"nvv4l2h264enc",
       true,
       {{"bitrate", Kind::number},
        {"iframeinterval", Kind::number},
        {"idrinterval", Kind::number},
        {"insert-sps-pps", Kind::flag}},
       {"sink", "src"}},
      {"x264enc",
       true,
       {{"bitrate", Kind::number},
        {"key-int-max", Kind::number},
        {"bframes", Kind::number},
        {"tune", Kind::any},
        {"speed-preset", Kind::any}},
       {}},
      {"openh264enc", true, {{"bitrate", Kind::number}, {"gop-size", Kind::number}}, {}},
  };
  return needs;
}

std::vector<std::string> missing_of(const ElementNeed &need) {
  const std::unique_ptr<GstElementFactory, GstObjectUnref> factory(gst_element_factory_find(need.factory));
  if (factory == nullptr)
    return need.may_be_away ? std::vector<std::string>{} : std::vector<std::string>{std::string("no ") + need.factory};
  const std::unique_ptr<GstPluginFeature, GstObjectUnref> loaded(gst_plugin_feature_load(GST_PLUGIN_FEATURE(factory.get())));
  if (loaded == nullptr) return {std::string("the plugin of ") + need.factory + " cannot be loaded"};
  const TypeClass type(
      static_cast<GObjectClass *>(g_type_class_ref(gst_element_factory_get_element_type(GST_ELEMENT_FACTORY(loaded.get())))));
  std::vector<std::string> problems;
  for (const auto &property : need.properties) {
    const auto problem = problem_of(type.get(), property);
    if (!problem.empty()) problems.push_back(std::string(need.factory) + ": " + problem);
  }
  for (const char *pad : need.pads)
    if (!has_pad(factory.get(), pad)) problems.push_back(std::string(need.factory) + ": no pad " + pad);
  return problems;
}

} // namespace sightline::app
