#include "control.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>

#include <nlohmann/json.hpp>
#include <sys/stat.h>

namespace standin {

namespace {

using nlohmann::json;

enum class Kind { flag, number, text };

/** Every key there is; `*` in a path is any source id, or "*" itself. */
const std::map<std::string, Kind> &known() {
  static const std::map<std::string, Kind> keys = {
      // nvurisrcbin
      {"/sources/*/ignoreReset", Kind::flag},
      {"/sources/*/ntpOffsetMs", Kind::number},
      {"/sources/*/ptsJumpAtFrame", Kind::number},
      {"/sources/*/ptsJumpMs", Kind::number},
      {"/sources/*/decodeMs", Kind::number},
      // nvstreammux
      {"/sources/*/duplicateFrame", Kind::number},
      {"/sources/*/frameNumberBackAt", Kind::number},
      {"/mux/stuckPad", Kind::number},
      {"/mux/leakBytesPerBatch", Kind::number},
      {"/mux/surfaceArray", Kind::flag},
      // CUDA
      {"/cuda/refuse", Kind::flag},
      // nvds_obj_enc
      {"/crops/refuse", Kind::flag},
      {"/crops/noMeta", Kind::flag},
      // nvv4l2h264enc
      {"/encoder/fail", Kind::flag},
      // nvinferserver
      {"/inference/startDelayMs", Kind::number},
      {"/inference/requestMs", Kind::number},
      {"/inference/script", Kind::text},
      // libnvidia-ml
      {"/gpu/uuid", Kind::text},
      {"/gpu/name", Kind::text},
      {"/gpu/driver", Kind::text},
      {"/gpu/utilizationPercent", Kind::number},
      {"/gpu/decoderPercent", Kind::number},
      {"/gpu/encoderPercent", Kind::number},
      {"/gpu/memoryMiB", Kind::number},
      {"/gpu/memoryUsedMiB", Kind::number},
      {"/gpu/celsius", Kind::number},
      {"/gpu/tegra", Kind::flag},
      {"/gpu/initError", Kind::number},
      {"/gpu/error", Kind::number},
      {"/gpu/hang", Kind::flag},
  };
  return keys;
}

[[noreturn]] void refuse(const std::string &what) {
  std::fprintf(stderr, "standin: %s; known keys:\n", what.c_str());
  for (const auto &[key, kind] : known())
    std::fprintf(stderr, "  %s (%s)\n", key.c_str(),
                 kind == Kind::flag     ? "boolean"
                 : kind == Kind::number ? "integer"
                                        : "string");
  std::abort();
}

std::string general(const std::string &pointer) {
  const std::string sources = "/sources/";
  if (pointer.rfind(sources, 0) != 0) return pointer;
  const auto end = pointer.find('/', sources.size());
  return end == std::string::npos ? pointer : sources + "*" + pointer.substr(end);
}

void must_be_known(const std::string &pointer, Kind asked) {
  const auto entry = known().find(general(pointer));
  if (entry == known().end() || entry->second != asked) refuse("the program asks for control key " + pointer);
}

/** Dies of a key or a type that is not in the table: a fault that a test only believes to have caused proves nothing. */
void check(const char *path, const json &settings) {
  const json flat = settings.flatten();
  for (const auto &[pointer, value] : flat.items()) {
    if (value.is_null() || (value.is_structured() && value.empty())) continue;
    const auto entry = known().find(general(pointer));
    const std::string where = std::string(path) + ": " + pointer + " = " + value.dump();
    if (entry == known().end()) refuse(where + " is not a key");
    const bool fits = entry->second == Kind::flag     ? value.is_boolean()
                      : entry->second == Kind::number ? value.is_number_integer()
                                                      : value.is_string();
    if (!fits) refuse(where + " has the wrong type");
  }
}

class ControlFile {
public:
  std::shared_ptr<const json> now() {
    const char *path = std::getenv("SIGHTLINE_STANDIN");
    const std::lock_guard<std::mutex> hold(mutex_);
    struct stat seen {};
    if (path == nullptr || stat(path, &seen) != 0) {
      settings_ = nothing_;
      seen_ = {};
      return settings_;
    }
    if (same(seen)) return settings_;
    std::ifstream file(path);
    const json read = json::parse(file, nullptr, false);
    if (read.is_discarded() || !read.is_object()) refuse(std::string(path) + " is not a JSON object");
    check(path, read);
    settings_ = std::make_shared<const json>(read);
    seen_ = seen;
    return settings_;
  }

private:
  bool same(const struct stat &now) const {
    return now.st_ino == seen_.st_ino && now.st_size == seen_.st_size && now.st_mtim.tv_sec == seen_.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec;
  }

  std::mutex mutex_;
  struct stat seen_ {};
  const std::shared_ptr<const json> nothing_ = std::make_shared<const json>(json::object());
  std::shared_ptr<const json> settings_ = nothing_;
};

ControlFile &control_file() {
  static auto *file = new ControlFile();
  return *file;
}

std::optional<json> value_at(const std::string &pointer, Kind kind) {
  must_be_known(pointer, kind);
  const auto settings = control_file().now();
  const json::json_pointer at(pointer);
  if (!settings->contains(at)) return std::nullopt;
  return settings->at(at);
}

std::string of_source(uint32_t source, const std::string &key) {
  return "/sources/" + std::to_string(source) + "/" + key;
}

} // namespace

bool control_flag(const std::string &pointer) {
  const auto value = value_at(pointer, Kind::flag);
  return value.has_value() && value->get<bool>();
}

std::optional<int64_t> control_number(const std::string &pointer) {
  const auto value = value_at(pointer, Kind::number);
  if (!value.has_value()) return std::nullopt;
  return value->get<int64_t>();
}

std::optional<std::string> control_text(const std::string &pointer) {
  const auto value = value_at(pointer, Kind::text);
  if (!value.has_value()) return std::nullopt;
  return value->get<std::string>();
}

bool source_flag(uint32_t source, const std::string &key) {
  const auto own = value_at(of_source(source, key), Kind::flag);
  const auto value = own.has_value() ? own : value_at("/sources/*/" + key, Kind::flag);
  return value.has_value() && value->get<bool>();
}

std::optional<int64_t> source_number(uint32_t source, const std::string &key) {
  const auto own = control_number(of_source(source, key));
  return own.has_value() ? own : control_number("/sources/*/" + key);
}

} // namespace standin
