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
enum class DetectorKind { centerface, yoloEnd2End, yoloRaw };
enum class EncoderKind { automatic, hardware, software, none };

struct MuxSettings {
  int width;
  int height;
  int batchedPushTimeoutUs;
  int bufferPoolSize;
};

struct DetectorSettings {
  std::string model;
  std::string config;
  int uniqueId;
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
  int bitrateKbps;
};

struct Limits {
  int startMs;
  int batchMs;
  int stopMs;
  int aloneMs;
  int waitingMiB;
};

struct CameraSlot {
  std::string camera;
  unsigned sourceId;
};

/** container.json of docs/decisions/deepstream-container.md. */
struct Settings {
  std::string worker;
  std::string bridge;
  /** Absent: there is no media door. */
  std::optional<std::string> media;
  std::string tokenFile;
  LogLevel logLevel;
  int gpu;
  MuxSettings mux;
  std::vector<DetectorSettings> detectors;
  TrackerSettings tracker;
  EncoderSettings encoder;
  Limits limits;
  std::vector<CameraSlot> cameras;
};

/** `file` is for messages. */
Settings parseSettings(const std::string &text, const std::string &file);
Settings readSettings(const std::string &file);
/** Without the line's end. */
std::string readToken(const std::string &file);

} // namespace sightline::app
