#include "checks.h"

#include <dlfcn.h>
#include <gst/gst.h>
#include <nvds_version.h>

#include "check_pictures.h"
#include "check_pipelines.h"
#include "element_needs.h"
#include "encoders.h"
#include "factory.h"
#include "holders.h"
#include "library_texts.h"
#include "log.h"
#include "messages.h"
#include "nvml_library.h"

namespace sightline::app {
namespace {

std::string joined(const std::vector<std::string> &parts, const char *between) {
  std::string whole;
  for (const auto &part : parts) whole += (whole.empty() ? "" : between) + part;
  return whole;
}

Finding program() {
  unsigned major = 0;
  unsigned minor = 0;
  nvds_version(&major, &minor);
  const Text gstreamer(gst_version_string());
  const auto deepstream = std::to_string(major) + "." + std::to_string(minor);
  return {
      true, "DeepStream " + deepstream + ", " + gstreamer.get(), {{"protocol", protocol_version}, {"deepstream", deepstream}}};
}

Finding driver() {
  std::string why;
  const auto library = NvmlLibrary::open(why);
  if (library == nullptr) return {false, why};
  library->init();
  const auto stats = library->read(0);
  const auto version = library->driver_version();
  std::vector<std::string> silent;
  if (!stats.utilization_percent) silent.emplace_back("utilization");
  if (!stats.decoder_percent) silent.emplace_back("decoder");
  if (!stats.encoder_percent) silent.emplace_back("encoder");
  if (!stats.memory_bytes) silent.emplace_back("memory");
  return {true,
          stats.name + ", driver " + version + ", CUDA " + library->cuda_version() + (silent.empty() ? "" : "; not told: ") +
              joined(silent, ", "),
          {{"driver", version}}};
}

/** Plugins that could not be loaded once; GStreamer leaves them out from then on. */
Finding plugins() {
  std::vector<std::string> broken;
  GList *all = gst_registry_get_plugin_list(gst_registry_get());
  for (const GList *at = all; at != nullptr; at = at->next) {
    auto *plugin = GST_PLUGIN(at->data);
    if (!GST_OBJECT_FLAG_IS_SET(plugin, GST_PLUGIN_FLAG_BLACKLISTED)) continue;
    const char *file = gst_plugin_get_filename(plugin);
    broken.emplace_back(file == nullptr ? gst_plugin_get_name(plugin) : file);
  }
  const auto count = g_list_length(all);
  gst_plugin_list_free(all);
  if (broken.empty()) return {true, std::to_string(count) + " plugins, none that GStreamer cannot load"};
  return {false, "GStreamer cannot load " + joined(broken, ", ")};
}

Finding elements() {
  std::vector<std::string> missing;
  std::size_t properties = 0;
  for (const auto &need : element_needs()) {
    properties += need.properties.size();
    for (auto &one : missing_of(need)) missing.push_back(std::move(one));
  }
  if (!missing.empty()) return {false, joined(missing, "; ")};
  return {true, std::to_string(element_needs().size()) + " elements and the " + std::to_string(properties) +
                    " properties of theirs that are set"};
}

/** A library with functions that somebody looks for by name. */
Finding library(const std::string &file, const std::vector<const char *> &functions) {
  void *opened = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) {
    const char *said = dlerror();
    return {false, said == nullptr ? file + " cannot be opened" : said};
  }
  std::vector<std::string> missing;
  for (const char *function : functions)
    if (dlsym(opened, function) == nullptr) missing.emplace_back(function);
  if (!missing.empty()) return {false, file + " has no " + joined(missing, ", ")};
  return {true, file};
}

/** What a source's own decoding would take, which prefers as GStreamer does. */
template <std::size_t Size>
Finding decoder(const char *caps_text, const char *parser, const std::array<std::uint8_t, Size> &picture) {
  const CapsRef caps(gst_caps_from_string(caps_text));
  GList *all = gst_element_factory_list_get_elements(GST_ELEMENT_FACTORY_TYPE_DECODER | GST_ELEMENT_FACTORY_TYPE_MEDIA_VIDEO,
                                                     GST_RANK_MARGINAL);
  GList *fitting = gst_element_factory_list_filter(all, caps.get(), GST_PAD_SINK, FALSE);
  fitting = g_list_sort(fitting, gst_plugin_feature_rank_compare_func);
  const std::string name = fitting == nullptr ? "" : GST_OBJECT_NAME(fitting->data);
  gst_plugin_feature_list_free(fitting);
  gst_plugin_feature_list_free(all);
  if (name.empty()) return {false, "no decoder is there"};
  const auto decoded = decoded_frames(caps_text, parser, name, picture.data(), picture.size());
  nlohmann::json facts{{"element", name}, {"hardware", name.rfind("nv", 0) == 0}};
  if (decoded.problem) return {false, name + ": " + *decoded.problem, facts};
  if (decoded.count == 0) return {false, name + " takes a picture and gives none", facts};
  return {true, "decoded by " + name, facts};
}

Finding encoder(bool hardware) {
  const char *name = hardware ? hardware_encoder : software_encoder();
  if (!has_factory(name)) return {false, std::string("there is no ") + name};
  const auto encoded = encoded_frames(hardware, name);
  if (encoded.problem) return {false, std::string(name) + ": " + *encoded.problem};
  if (encoded.count < check_frames)
    return {false,
            std::string(name) + " gave " + std::to_string(encoded.count) + " pictures of " + std::to_string(check_frames)};
  return {true, std::string("encoded by ") + name};
}

Finding crops() {
  const auto cut = cut_crop();
  if (cut.problem) return {false, *cut.problem};
  if (cut.jpeg.rfind("\xff\xd8", 0) != 0) return {false, "a crop was asked for and no JPEG came"};
  return {true, "a JPEG of " + std::to_string(cut.jpeg.size()) + " bytes was cut"};
}

/** Made ready in the check's own process: the one that starts them must not have GStreamer. */
std::function<Finding()> with_gstreamer(std::function<Finding()> look) {
  return [look = std::move(look)] {
    static Log log(LogLevel::warn);
    gst_init(nullptr, nullptr);
    take_library_texts(log);
    return look();
  };
}

} // namespace

std::vector<Check> checks(const CheckedFiles &files) {
  return {
      {"program", with_gstreamer(program)},
      {"driver", driver},
      {"elements", with_gstreamer(elements)},
      {"plugins", with_gstreamer(plugins)},
      {"parsers",
       [=] {
         return library(files.parsers, {"SightlineParseCenterFace_1", "SightlineParseYoloEnd2end_1", "SightlineParseYolov7_1",
                                        "SightlineParseYolov8_1"});
       }},
      {"tracker",
       [=] {
         return library(files.tracker, {"NvMOT_Init", "NvMOT_DeInit", "NvMOT_Process"});
       }},
      {"decoder-h264",
       with_gstreamer([] { return decoder("video/x-h264, stream-format=byte-stream, alignment=au", "h264parse", grey_h264); })},
      {"decoder-h265",
       with_gstreamer([] { return decoder("video/x-h265, stream-format=byte-stream, alignment=au", "h265parse", grey_h265); })},
      {"encoder-hardware", with_gstreamer([] { return encoder(true); })},
      {"encoder-software", with_gstreamer([] { return encoder(false); })},
      {"crops", with_gstreamer(crops)},
  };
}

} // namespace sightline::app
