#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace sightline::app {

/** Settings that cannot work; the text names file, key, value and what would be allowed. */
class SettingsError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class LogLevel { debug, info, warn, error };
enum class DetectorKind { centerface, yolo_end2end, yolo_raw };
enum class EncoderKind { automatic, hardware, software, none };

/** As container.json has them. */
const char *name_of(LogLevel level);

struct MuxSettings {
  int width;
  int height;
  int batched_push_timeout_us;
  int buffer_pool_size;
};

struct DetectorSettings {
  std::string model;
  std::string config;
  int unique_id;
  DetectorKind kind;
  std::vector<std::string> labels;
  double fps;
};

struct TrackerSettings {
  std::string library;
  std::string config;
  int width;
  int height;
};

struct EncoderSettings {
  EncoderKind kind;
  int bitrate_kbps;
};

struct Limits {
  int start_ms;
  int batch_ms;
  int stop_ms;
  int alone_ms;
  int waiting_mib;
};

struct CameraSlot {
  std::string camera;
  unsigned source_id;
};

/** container.json of docs/decisions/deepstream-container.md. */
struct Settings {
  std::string worker;
  std::string bridge;
  /** Absent: there is no media door. */
  std::optional<std::string> media;
  std::string token_file;
  LogLevel log_level;
  int gpu;
  MuxSettings mux;
  std::vector<DetectorSettings> detectors;
  TrackerSettings tracker;
  EncoderSettings encoder;
  Limits limits;
  std::vector<CameraSlot> cameras;
};

/** `file` is for messages. */
Settings parse_settings(const std::string &text, const std::string &file);
Settings read_settings(const std::string &file);
/** Without the line's end. */
std::string read_token(const std::string &file);

} // namespace sightline::app
