#include "commands.h"

#include "protozero_checked.h"

#include <protozero/pbf_message.hpp>
#include <protozero/varint.hpp>
#include <stdexcept>

#include "messages.h"
#include "wire.h"

namespace sightline::app {
namespace {

using protozero::pbf_message;
using protozero::pbf_wire_type;

/** Longest text that is kept. */
constexpr std::size_t most_text = 64 << 10;

/** Most parts of a kind in one message: each takes more memory than it has bytes. */
constexpr std::size_t most_parts = 4096;

template <typename Part> void add(std::vector<Part> &to, Part part) {
  if (to.size() == most_parts) throw std::length_error("a message of more than " + std::to_string(most_parts) + " parts");
  to.push_back(std::move(part));
}

template <typename T> std::string text(pbf_message<T> &from) {
  const auto view = from.get_view();
  if (view.size() > most_text) throw std::length_error("a text of " + std::to_string(view.size()) + " bytes");
  return {view.data(), view.size()};
}

/** What proto3 leaves at zero has its default. */
template <typename Value> Value or_default(Value value, Value fallback) {
  return value == 0 ? fallback : value;
}

DetectConfig read_detect(pbf_message<wire::Detect> message) {
  DetectConfig detect;
  while (message.next()) {
    switch (message.tag()) {
    case wire::Detect::model:
      detect.model = text(message);
      break;
    case wire::Detect::fps:
      detect.fps = message.get_double();
      break;
    case wire::Detect::min_score:
      detect.min_score = message.get_double();
      break;
    case wire::Detect::classes:
      add(detect.classes, text(message));
      break;
    case wire::Detect::min_size:
      detect.min_size = message.get_double();
      break;
    default:
      message.skip();
    }
  }
  return detect;
}

/** Of the picture. What is none would mask something else than was drawn, or nothing. */
double read_fraction(double value) {
  if (value >= 0 && value <= 1) return value;
  throw std::out_of_range("a mask with a corner at " + std::to_string(value) + "; corners are from 0 to 1");
}

Polygon read_polygon(pbf_message<wire::Polygon> message) {
  constexpr std::size_t least_corners = 3;
  Polygon polygon;
  while (message.next(wire::Polygon::points, pbf_wire_type::length_delimited)) {
    const auto points = message.get_packed_double();
    for (auto at = points.begin(); at != points.end();) {
      const double x = read_fraction(*at++);
      if (at == points.end()) throw std::length_error("a corner without a height");
      polygon.push_back({x, read_fraction(*at++)});
    }
  }
  if (polygon.size() < least_corners)
    throw std::length_error("a mask of " + std::to_string(polygon.size()) + " corners; a mask has three or more");
  return polygon;
}

void read_crops(pbf_message<wire::CropPolicy> message, CameraConfig &camera) {
  CropOptions &crops = camera.crops;
  // Absent it is zero, and not the default of a camera without a policy.
  crops.better_by = 0;
  while (message.next()) {
    switch (message.tag()) {
    case wire::CropPolicy::faces:
      crops.faces = message.get_bool();
      break;
    case wire::CropPolicy::bodies:
      crops.bodies = message.get_bool();
      break;
    case wire::CropPolicy::min_face_height:
      crops.min_face_height = message.get_double();
      break;
    case wire::CropPolicy::min_body_height:
      crops.min_body_height = message.get_double();
      break;
    case wire::CropPolicy::refresh_ms:
      crops.refresh_ms = or_default<double>(message.get_uint32(), crops.refresh_ms);
      break;
    case wire::CropPolicy::better_by:
      crops.better_by = message.get_double();
      break;
    case wire::CropPolicy::jpeg_quality:
      camera.jpeg_quality = static_cast<int>(std::min(100U, or_default(message.get_uint32(), 90U)));
      break;
    case wire::CropPolicy::max_side:
      camera.max_side = static_cast<int>(std::min(8192U, or_default(message.get_uint32(), 512U)));
      break;
    default:
      message.skip();
    }
  }
}

CameraConfig read_camera(pbf_message<wire::CameraConfig> message) {
  constexpr std::uint32_t most_ms = 86'400'000;
  CameraConfig camera;
  while (message.next()) {
    switch (message.tag()) {
    case wire::CameraConfig::camera:
      camera.camera = text(message);
      break;
    case wire::CameraConfig::source:
      camera.source = text(message);
      break;
    case wire::CameraConfig::transport:
      camera.udp = text(message) == "udp";
      break;
    case wire::CameraConfig::realtime:
      camera.realtime = message.get_bool();
      break;
    case wire::CameraConfig::loop:
      camera.loop = message.get_bool();
      break;
    case wire::CameraConfig::detect:
      add(camera.detect, read_detect(message.get_message()));
      break;
    case wire::CameraConfig::masks:
      camera.masks.push_back(read_polygon(message.get_message()));
      break;
    case wire::CameraConfig::crops:
      read_crops(message.get_message(), camera);
      break;
    case wire::CameraConfig::open_timeout_ms:
      camera.open_timeout_ms = static_cast<int>(std::min(most_ms, or_default(message.get_uint32(), 10'000U)));
      break;
    case wire::CameraConfig::silence_timeout_ms:
      camera.silence_timeout_ms = static_cast<int>(std::min(most_ms, or_default(message.get_uint32(), 10'000U)));
      break;
    case wire::CameraConfig::revision:
      camera.revision = text(message);
      break;
    default:
      message.skip();
    }
  }
  return camera;
}

Configure read_configure(pbf_message<wire::Configure> message) {
  Configure configure;
  while (message.next(wire::Configure::cameras, pbf_wire_type::length_delimited))
    add(configure.cameras, read_camera(message.get_message()));
  return configure;
}

Welcome read_welcome(pbf_message<wire::Welcome> message) {
  Welcome welcome;
  while (message.next()) {
    switch (message.tag()) {
    case wire::Welcome::protocol_version:
      welcome.protocol_version = message.get_uint32();
      break;
    case wire::Welcome::configure:
      welcome.configure = read_configure(message.get_message());
      break;
    default:
      message.skip();
    }
  }
  return welcome;
}

Label read_label(pbf_message<wire::Label> message) {
  Label label;
  while (message.next()) {
    switch (message.tag()) {
    case wire::Label::track_id:
      label.track_id = message.get_uint32();
      break;
    case wire::Label::decided:
      label.decided = message.get_bool();
      break;
    case wire::Label::text:
      label.text = text(message);
      break;
    case wire::Label::colour:
      label.colour = text(message);
      break;
    case wire::Label::score:
      label.score = message.get_float();
      break;
    default:
      message.skip();
    }
  }
  return label;
}

Labels read_labels(pbf_message<wire::Labels> message) {
  Labels labels;
  while (message.next()) {
    switch (message.tag()) {
    case wire::Labels::camera:
      labels.camera = text(message);
      break;
    case wire::Labels::epoch:
      labels.epoch = message.get_uint32();
      break;
    case wire::Labels::labels:
      add(labels.labels, read_label(message.get_message()));
      break;
    default:
      message.skip();
    }
  }
  return labels;
}

WantVideo read_want_video(pbf_message<wire::WantVideo> message) {
  WantVideo want;
  while (message.next()) {
    switch (message.tag()) {
    case wire::WantVideo::camera:
      want.camera = text(message);
      break;
    case wire::WantVideo::annotated:
      want.annotated = message.get_bool();
      break;
    default:
      message.skip();
    }
  }
  return want;
}

Epoch read_epoch(pbf_message<wire::Epoch> message) {
  Epoch epoch;
  while (message.next()) {
    switch (message.tag()) {
    case wire::Epoch::camera:
      epoch.camera = text(message);
      break;
    case wire::Epoch::epoch:
      epoch.epoch = message.get_uint32();
      break;
    default:
      message.skip();
    }
  }
  return epoch;
}

Ping read_ping(pbf_message<wire::Ping> message) {
  Ping ping;
  while (message.next(wire::Ping::id, pbf_wire_type::varint)) ping.id = message.get_uint64();
  return ping;
}

} // namespace

Command read_command(std::string_view bytes) {
  pbf_message<wire::DaemonMessage> message(bytes.data(), bytes.size());
  Command command;
  while (message.next()) {
    switch (message.tag()) {
    case wire::DaemonMessage::welcome:
      command = read_welcome(message.get_message());
      break;
    case wire::DaemonMessage::configure:
      command = read_configure(message.get_message());
      break;
    case wire::DaemonMessage::labels:
      command = read_labels(message.get_message());
      break;
    case wire::DaemonMessage::want_video:
      command = read_want_video(message.get_message());
      break;
    case wire::DaemonMessage::ping:
      command = read_ping(message.get_message());
      break;
    case wire::DaemonMessage::drain:
      message.get_view();
      command = Drain{};
      break;
    case wire::DaemonMessage::epoch:
      command = read_epoch(message.get_message());
      break;
    default:
      message.skip();
    }
  }
  return command;
}

bool MessageSplitter::next(std::string_view &message) {
  held_.erase(0, taken_);
  taken_ = 0;
  std::uint64_t length = 0;
  for (std::size_t at = 0; at < held_.size(); at += 1) {
    const auto byte = static_cast<unsigned char>(held_[at]);
    length |= std::uint64_t{byte & 127U} << (7 * at);
    if (length > message_limit_bytes || at >= 4) {
      if (length > message_limit_bytes || byte > 127)
        throw std::length_error("a message of more than " + std::to_string(message_limit_bytes) + " bytes was announced");
    }
    if (byte > 127) continue;
    if (held_.size() - at - 1 < length) return false;
    message = std::string_view(held_).substr(at + 1, length);
    taken_ = at + 1 + length;
    return true;
  }
  return false;
}

} // namespace sightline::app
