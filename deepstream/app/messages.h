#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "frame_record.h"
#include "unit_clock.h"
#include "wire.h"

/** Messages to the daemon and to the media door as bytes. Pure. */
namespace sightline::app {

constexpr unsigned protocolVersion = 1;
/** Of both sockets. */
constexpr std::size_t messageLimitBytes = std::size_t{16} << 20;

struct HelloFacts {
  std::string worker;
  std::string token;
  std::vector<std::string> capabilities;
  std::uint32_t pid;
};

struct SourceStatusFacts {
  wire::SourceState state = wire::SourceState::connecting;
  std::string reason;
  std::string code;
  std::string codec;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::string decode;
  std::uint32_t retryInMs = 0;
  double fps = 0;
};

/** Counters since the program began. */
struct CameraCounts {
  std::string camera;
  std::uint64_t framesDecoded = 0;
  std::uint64_t framesDetected = 0;
  std::uint64_t batchesDropped = 0;
  std::uint64_t crops = 0;
  double fps = 0;
  std::uint64_t videoDropped = 0;
  std::uint64_t annotatedDropped = 0;
  std::uint64_t units = 0;
  std::uint64_t unitBytes = 0;
  std::uint64_t keyFrames = 0;
  bool live = false;
  bool senderClock = false;
};

struct StatsFacts {
  std::vector<CameraCounts> cameras;
  std::uint64_t rssBytes = 0;
  double cpuSeconds = 0;
};

/** Each behind its length, as it goes on the socket. */
std::string helloMessage(const HelloFacts &hello);
std::string statusMessage(const std::string &camera, std::uint32_t epoch, const SourceStatusFacts &status);
std::string statsMessage(const StatsFacts &stats);
std::string logMessage(const char *level, const std::string &message, const std::string &fieldsJson);
std::string pongMessage(std::uint64_t id);
std::string drainedMessage();
std::string epochRequestMessage(const std::string &camera);

/** A Frame without what is known only when it leaves: its epoch and that moment. */
std::string frameBody(const FrameRecord &record, const std::string &camera);

struct LeavingFrame {
  std::string_view body;
  std::uint32_t epoch;
};

std::string framesMessage(const std::vector<LeavingFrame> &frames, std::int64_t sentMonoUs);

struct VideoFormat {
  std::string_view camera;
  std::uint32_t epoch;
  wire::Variant variant;
  std::string_view codec;
  std::uint32_t width;
  std::uint32_t height;
  std::string_view parameterSets;
  std::string_view revision;
};

std::string mediaHelloMessage(const std::string &worker, const std::string &token);
std::string formatMessage(const VideoFormat &format);
std::string unitMessage(const VideoFormat &format, const ClockedUnit &unit);

} // namespace sightline::app
