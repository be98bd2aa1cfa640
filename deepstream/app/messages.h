#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frame_record.h"
#include "stream_meter.h"
#include "unit_clock.h"
#include "wire.h"

/** Messages to the daemon and to the media door as bytes. Pure. */
namespace sightline::app {

constexpr unsigned protocol_version = 1;
/** Of both sockets. */
constexpr std::size_t message_limit_bytes = std::size_t{16} << 20;

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
  std::uint32_t retry_in_ms = 0;
  double fps = 0;
  /** Of what else is not as it should be. */
  std::vector<std::string> other_codes;
};

/** Counters since the program began. */
struct CameraCounts {
  std::string camera;
  std::uint64_t frames_decoded = 0;
  std::uint64_t frames_detected = 0;
  std::uint64_t frames_dropped = 0;
  std::uint64_t batches_dropped = 0;
  std::uint64_t crops = 0;
  double fps = 0;
  std::uint64_t video_dropped = 0;
  std::uint64_t annotated_dropped = 0;
  StreamFacts stream;
  bool live = false;
  bool sender_clock = false;
  std::uint64_t crops_refused = 0;
  std::uint64_t objects_left_out = 0;
  std::uint64_t units_skipped = 0;
};

/** What the driver says of the card; what it does not tell is absent. */
struct GpuStats {
  std::string uuid;
  std::string name;
  std::optional<std::uint32_t> utilization_percent;
  std::optional<std::uint32_t> decoder_percent;
  std::optional<std::uint32_t> encoder_percent;
  std::optional<std::uint64_t> memory_used_bytes;
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint32_t> celsius;
};

struct ModelCounts {
  std::string model;
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  /** Why the latest one failed; empty when it did not. */
  std::string failing;
};

struct StatsFacts {
  std::vector<CameraCounts> cameras;
  std::vector<ModelCounts> models;
  std::uint64_t rss_bytes = 0;
  double cpu_seconds = 0;
  std::optional<GpuStats> gpu;
};

/** Each behind its length, as it goes on the socket. */
std::string hello_message(const HelloFacts &hello);
std::string status_message(const std::string &camera, std::uint32_t epoch, const SourceStatusFacts &status);
std::string stats_message(const StatsFacts &stats);
std::string log_message(const char *level, const std::string &message, const std::string &fields_json);
std::string pong_message(std::uint64_t id);
std::string drained_message();
std::string epoch_request_message(const std::string &camera);

/** A Frame without what is known only when it leaves: its epoch and that moment. */
std::string frame_body(const FrameRecord &record, const std::string &camera);

struct LeavingFrame {
  std::string_view body;
  std::uint32_t epoch;
};

std::string frames_message(const std::vector<LeavingFrame> &frames, std::int64_t sent_mono_us);

struct VideoFormat {
  std::string_view camera;
  std::uint32_t epoch;
  wire::Variant variant;
  std::string_view codec;
  std::uint32_t width;
  std::uint32_t height;
  std::string_view parameter_sets;
  std::string_view revision;
};

std::string media_hello_message(const std::string &worker, const std::string &token);
std::string format_message(const VideoFormat &format);
std::string unit_message(const VideoFormat &format, const ClockedUnit &unit);

} // namespace sightline::app
