#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crops.h"
#include "masks.h"

/** What the daemon says, read from bytes. Pure. */
namespace sightline::app {

struct DetectConfig {
  std::string model;
  /** How often it is to look. */
  double fps = 0;
  /** 0: the model's own. */
  double min_score = 0;
  /** Empty: all. */
  std::vector<std::string> classes;
  /** Box height in source pixels. */
  double min_size = 0;
};

struct CameraConfig {
  std::string camera;
  /** May hold a credential. */
  std::string source;
  bool udp = false;
  bool realtime = false;
  bool loop = false;
  std::vector<DetectConfig> detect;
  std::vector<Polygon> masks;
  CropOptions crops;
  int jpeg_quality = 90;
  int max_side = 512;
  int open_timeout_ms = 10'000;
  int silence_timeout_ms = 10'000;
  std::string revision;
};

struct Configure {
  std::vector<CameraConfig> cameras;
};

struct Welcome {
  std::uint32_t protocol_version = 0;
  Configure configure;
};

struct Label {
  std::uint32_t track_id = 0;
  bool decided = false;
  std::string text;
  /** #rrggbb. */
  std::string colour;
  float score = 0;
};

struct Labels {
  std::string camera;
  std::uint32_t epoch = 0;
  std::vector<Label> labels;
};

struct WantVideo {
  std::string camera;
  bool annotated = false;
};

struct Ping {
  std::uint64_t id = 0;
};

struct Drain {};

struct Epoch {
  std::string camera;
  std::uint32_t epoch = 0;
};

/** The first: a message of a kind that is not known. */
using Command = std::variant<std::monostate, Welcome, Configure, Labels, WantVideo, Ping, Drain, Epoch>;

/** Throws a std::exception for bytes that are no message. */
Command read_command(std::string_view bytes);

/** Cuts a byte stream into messages (a varint of the length before each). */
class MessageSplitter {
public:
  void push(std::string_view chunk) { held_.append(chunk); }
  /** The next whole message; good until the next call. False when there is none yet. Throws std::length_error for one that is
   * too long. */
  bool next(std::string_view &message);

private:
  std::string held_;
  std::size_t taken_ = 0;
};

} // namespace sightline::app
