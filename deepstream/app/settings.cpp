#include "settings.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <report.h>
#include <set>
#include <sstream>

namespace sightline::app {
namespace {

using nlohmann::json;

constexpr std::size_t most_cameras = 64;
constexpr std::size_t most_file_bytes = std::size_t{1} << 20;
/** Levels of lists and objects; the file has three. */
constexpr int most_levels = 16;
constexpr int longest_ms = 86'400'000;

std::string shown(const json &value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 80) + "...";
  return text;
}

template <typename Choice> using Names = std::initializer_list<std::pair<const char *, Choice>>;

constexpr Names<LogLevel> log_levels{
    {"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warn", LogLevel::warn}, {"error", LogLevel::error}};
constexpr Names<DetectorKind> detector_kinds{{"centerface", DetectorKind::centerface},
                                             {"yolo-end2end", DetectorKind::yolo_end2end},
                                             {"yolo-raw", DetectorKind::yolo_raw}};

/** An object of the file at a place that messages name. */
class Section {
public:
  Section(const json &value, std::string file, std::string place)
      : value_(value), file_(std::move(file)), place_(std::move(place)) {
    if (!value.is_object()) fail("", value, "an object");
  }

  /** Every key there is must be one of these. */
  void only(std::initializer_list<const char *> keys) const {
    for (const auto &item : value_.items()) {
      bool known = false;
      std::string allowed;
      for (const char *key : keys) {
        known = known || item.key() == key;
        allowed += (allowed.empty() ? "" : ", ") + std::string(key);
      }
      if (!known) throw SettingsError(file_ + ": " + at(item.key()) + " is not known; allowed here: " + allowed);
    }
  }

  bool has(const char *key) const { return value_.contains(key); }

  std::string text(const char *key) const {
    const json &value = need(key, "text");
    if (!value.is_string() || value.get_ref<const std::string &>().empty()) fail(key, value, "text that is not empty");
    auto found = value.get<std::string>();
    if (found.find('\0') != std::string::npos) fail(key, value, "text without zero bytes");
    return found;
  }

  std::string path(const char *key) const {
    auto found = text(key);
    if (found.front() != '/') fail(key, value_[key], "an absolute path");
    return found;
  }

  int whole(const char *key, int least, int most) const {
    const auto allowed = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    const json &value = need(key, allowed.c_str());
    if (!value.is_number_integer()) fail(key, value, allowed);
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT32_MAX))
      fail(key, value, allowed);
    const auto found = value.get<std::int64_t>();
    if (found < least || found > most) fail(key, value, allowed);
    return static_cast<int>(found);
  }

  double number(const char *key, double least, double most) const {
    std::ostringstream allowed;
    allowed << "a number from " << least << " to " << most;
    const json &value = need(key, allowed.str().c_str());
    if (!value.is_number()) fail(key, value, allowed.str());
    const auto found = value.get<double>();
    if (!(found >= least && found <= most)) fail(key, value, allowed.str());
    return found;
  }

  template <typename Choice> Choice choice(const char *key, Names<Choice> choices) const {
    std::string allowed = "one of";
    for (const auto &one : choices) allowed += std::string(" ") + one.first;
    const json &value = need(key, allowed.c_str());
    for (const auto &one : choices)
      if (value.is_string() && value.get_ref<const std::string &>() == one.first) return one.second;
    fail(key, value, allowed);
  }

  std::vector<std::string> texts(const char *key) const {
    const json &value = list(key, 1, 1000);
    std::vector<std::string> found;
    for (const json &item : value) {
      if (!item.is_string() || item.get_ref<const std::string &>().empty()) fail(key, item, "a list of texts");
      found.push_back(item.get<std::string>());
    }
    return found;
  }

  Section section(const char *key) const { return {need(key, "an object"), file_, at(key)}; }

  std::vector<Section> sections(const char *key, std::size_t most) const {
    std::vector<Section> found;
    for (const json &item : list(key, 1, most))
      found.emplace_back(item, file_, at(key) + "[" + std::to_string(found.size()) + "]");
    return found;
  }

  [[noreturn]] void fail(const std::string &key, const json &value, const std::string &allowed) const {
    throw SettingsError(file_ + ": " + at(key) + " is " + shown(value) + "; allowed: " + allowed);
  }

private:
  const json &list(const char *key, std::size_t least, std::size_t most) const {
    const auto allowed = "a list of " + std::to_string(least) + " to " + std::to_string(most);
    const json &value = need(key, allowed.c_str());
    if (!value.is_array() || value.size() < least || value.size() > most) fail(key, value, allowed);
    return value;
  }

  const json &need(const char *key, const char *allowed) const {
    const auto found = value_.find(key);
    if (found == value_.end()) throw SettingsError(file_ + ": " + at(key) + " is missing; allowed: " + allowed);
    return *found;
  }

  std::string at(const std::string &key) const {
    if (place_.empty()) return key.empty() ? "the file" : key;
    return key.empty() ? place_ : place_ + "." + key;
  }

  const json &value_;
  std::string file_;
  std::string place_;
};

MuxSettings read_mux(const Section &mux) {
  mux.only({"width", "height", "batchedPushTimeoutUs", "bufferPoolSize"});
  return {mux.whole("width", 64, 8192), mux.whole("height", 64, 8192), mux.whole("batchedPushTimeoutUs", 1, 10'000'000),
          mux.whole("bufferPoolSize", 1, 64)};
}

DetectorSettings read_detector(const Section &detector) {
  detector.only({"model", "config", "uniqueId", "kind", "labels", "fps"});
  return {detector.text("model"),
          detector.path("config"),
          detector.whole("uniqueId", 1, most_detectors),
          detector.choice("kind", detector_kinds),
          detector.texts("labels"),
          detector.number("fps", 0.01, 240)};
}

TrackerSettings read_tracker(const Section &tracker) {
  tracker.only({"library", "config", "width", "height"});
  return {tracker.path("library"), tracker.path("config"), tracker.whole("width", 32, 8192), tracker.whole("height", 32, 8192)};
}

EncoderSettings read_encoder(const Section &encoder) {
  encoder.only({"kind", "bitrateKbps"});
  return {encoder.choice<EncoderKind>("kind", {{"auto", EncoderKind::automatic},
                                               {"hardware", EncoderKind::hardware},
                                               {"software", EncoderKind::software},
                                               {"none", EncoderKind::none}}),
          encoder.whole("bitrateKbps", 100, 100'000)};
}

Limits read_limits(const Section &limits) {
  limits.only({"startMs", "batchMs", "stopMs", "aloneMs", "waitingMiB"});
  return {limits.whole("startMs", 1000, longest_ms), limits.whole("batchMs", 500, longest_ms),
          limits.whole("stopMs", 100, 600'000), limits.whole("aloneMs", 1000, longest_ms), limits.whole("waitingMiB", 1, 4096)};
}

std::string contents(const std::string &file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw SettingsError(file + ": cannot be read");
  std::string text;
  char part[4096];
  while (stream.read(part, sizeof part) || stream.gcount() > 0) {
    text.append(part, static_cast<std::size_t>(stream.gcount()));
    if (text.size() > most_file_bytes)
      throw SettingsError(file + ": has more than " + std::to_string(most_file_bytes) + " bytes");
  }
  if (stream.bad()) throw SettingsError(file + ": cannot be read");
  return text;
}

} // namespace

const char *name_of(LogLevel level) {
  return std::find_if(log_levels.begin(), log_levels.end(), [level](const auto &one) { return one.second == level; })->first;
}

Settings parse_settings(const std::string &text, const std::string &file) {
  json whole;
  try {
    // Keys that stand twice would hide each other.
    std::vector<std::set<std::string>> keys;
    whole = json::parse(text, [&](int level, json::parse_event_t event, json &parsed) {
      // What is walked through by recursion would end at the stack's.
      if (level > most_levels)
        throw SettingsError(file + ": has more than " + std::to_string(most_levels) + " levels of lists and objects");
      if (event == json::parse_event_t::object_start) keys.emplace_back();
      if (event == json::parse_event_t::object_end) keys.pop_back();
      if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
        throw SettingsError(file + ": " + parsed.get<std::string>() + " stands twice; allowed: once");
      return true;
    });
  } catch (const json::exception &error) {
    throw SettingsError(file + ": is no JSON: " + error.what());
  }
  const Section root(whole, file, "");
  root.only({"version", "worker", "bridge", "media", "tokenFile", "logLevel", "gpu", "mux", "detectors", "tracker", "encoder",
             "limits", "cameras"});
  root.whole("version", 1, 1);
  Settings settings{
      root.text("worker"),
      root.path("bridge"),
      root.has("media") ? std::optional(root.path("media")) : std::nullopt,
      root.path("tokenFile"),
      root.choice("logLevel", log_levels),
      root.whole("gpu", 0, 63),
      read_mux(root.section("mux")),
      {},
      read_tracker(root.section("tracker")),
      read_encoder(root.section("encoder")),
      read_limits(root.section("limits")),
      {},
  };
  std::set<int> unique_ids;
  std::set<std::string> models;
  for (const Section &detector : root.sections("detectors", most_detectors)) {
    DetectorSettings read = read_detector(detector);
    if (!unique_ids.insert(read.unique_id).second) detector.fail("uniqueId", read.unique_id, "another for each detector");
    if (!models.insert(read.model).second) detector.fail("model", read.model, "each model once");
    settings.detectors.push_back(std::move(read));
  }
  std::set<unsigned> source_ids;
  std::set<std::string> cameras;
  for (const Section &camera : root.sections("cameras", most_cameras)) {
    camera.only({"camera", "sourceId"});
    CameraSlot slot{camera.text("camera"), static_cast<unsigned>(camera.whole("sourceId", 0, most_cameras - 1))};
    if (!source_ids.insert(slot.source_id).second) camera.fail("sourceId", slot.source_id, "another for each camera");
    if (!cameras.insert(slot.camera).second) camera.fail("camera", slot.camera, "each camera once");
    settings.cameras.push_back(std::move(slot));
  }
  return settings;
}

Settings read_settings(const std::string &file) {
  return parse_settings(contents(file), file);
}

std::string read_token(const std::string &file) {
  std::string token = contents(file);
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  if (token.empty()) throw SettingsError(file + ": is empty; allowed: the token of this container");
  return token;
}

} // namespace sightline::app
