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
constexpr std::size_t mostText = 64 << 10;

template <typename T> std::string text(pbf_message<T> &from) {
  const auto view = from.get_view();
  if (view.size() > mostText) throw std::length_error("a text of " + std::to_string(view.size()) + " bytes");
  return {view.data(), view.size()};
}

/** What proto3 leaves at zero has its default. */
template <typename Value> Value orDefault(Value value, Value fallback) {
  return value == 0 ? fallback : value;
}

DetectConfig readDetect(pbf_message<wire::Detect> message) {
  DetectConfig detect;
  while (message.next()) {
    switch (message.tag()) {
    case wire::Detect::model:
      detect.model = text(message);
      break;
    case wire::Detect::minScore:
      detect.minScore = message.get_double();
      break;
    case wire::Detect::classes:
      detect.classes.push_back(text(message));
      break;
    case wire::Detect::minSize:
      detect.minSize = message.get_double();
      break;
    default:
      message.skip();
    }
  }
  return detect;
}

void readCrops(pbf_message<wire::CropPolicy> message, CameraConfig &camera) {
  CropOptions &crops = camera.crops;
  // Absent it is zero, and not the default of a camera without a policy.
  crops.betterBy = 0;
  while (message.next()) {
    switch (message.tag()) {
    case wire::CropPolicy::faces:
      crops.faces = message.get_bool();
      break;
    case wire::CropPolicy::bodies:
      crops.bodies = message.get_bool();
      break;
    case wire::CropPolicy::minFaceHeight:
      crops.minFaceHeight = message.get_double();
      break;
    case wire::CropPolicy::minBodyHeight:
      crops.minBodyHeight = message.get_double();
      break;
    case wire::CropPolicy::refreshMs:
      crops.refreshMs = orDefault<double>(message.get_uint32(), crops.refreshMs);
      break;
    case wire::CropPolicy::betterBy:
      crops.betterBy = message.get_double();
      break;
    case wire::CropPolicy::jpegQuality:
      camera.jpegQuality = static_cast<int>(std::min(100U, orDefault(message.get_uint32(), 90U)));
      break;
    case wire::CropPolicy::maxSide:
      camera.maxSide = static_cast<int>(std::min(8192U, orDefault(message.get_uint32(), 512U)));
      break;
    default:
      message.skip();
    }
  }
}

CameraConfig readCamera(pbf_message<wire::CameraConfig> message) {
  constexpr std::uint32_t mostMs = 86'400'000;
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
      camera.detect.push_back(readDetect(message.get_message()));
      break;
    case wire::CameraConfig::crops:
      readCrops(message.get_message(), camera);
      break;
    case wire::CameraConfig::openTimeoutMs:
      camera.openTimeoutMs = static_cast<int>(std::min(mostMs, orDefault(message.get_uint32(), 10'000U)));
      break;
    case wire::CameraConfig::silenceTimeoutMs:
      camera.silenceTimeoutMs = static_cast<int>(std::min(mostMs, orDefault(message.get_uint32(), 10'000U)));
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

Configure readConfigure(pbf_message<wire::Configure> message) {
  Configure configure;
  while (message.next(wire::Configure::cameras, pbf_wire_type::length_delimited))
    configure.cameras.push_back(readCamera(message.get_message()));
  return configure;
}

Welcome readWelcome(pbf_message<wire::Welcome> message) {
  Welcome welcome;
  while (message.next()) {
    switch (message.tag()) {
    case wire::Welcome::protocolVersion:
      welcome.protocolVersion = message.get_uint32();
      break;
    case wire::Welcome::configure:
      welcome.configure = readConfigure(message.get_message());
      break;
    default:
      message.skip();
    }
  }
  return welcome;
}

Label readLabel(pbf_message<wire::Label> message) {
  Label label;
  while (message.next()) {
    switch (message.tag()) {
    case wire::Label::trackId:
      label.trackId = message.get_uint32();
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

Labels readLabels(pbf_message<wire::Labels> message) {
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
      labels.labels.push_back(readLabel(message.get_message()));
      break;
    default:
      message.skip();
    }
  }
  return labels;
}

WantVideo readWantVideo(pbf_message<wire::WantVideo> message) {
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

Epoch readEpoch(pbf_message<wire::Epoch> message) {
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

Ping readPing(pbf_message<wire::Ping> message) {
  Ping ping;
  while (message.next(wire::Ping::id, pbf_wire_type::varint)) ping.id = message.get_uint64();
  return ping;
}

} // namespace

Command readCommand(std::string_view bytes) {
  pbf_message<wire::DaemonMessage> message(bytes.data(), bytes.size());
  Command command;
  while (message.next()) {
    switch (message.tag()) {
    case wire::DaemonMessage::welcome:
      command = readWelcome(message.get_message());
      break;
    case wire::DaemonMessage::configure:
      command = readConfigure(message.get_message());
      break;
    case wire::DaemonMessage::labels:
      command = readLabels(message.get_message());
      break;
    case wire::DaemonMessage::wantVideo:
      command = readWantVideo(message.get_message());
      break;
    case wire::DaemonMessage::ping:
      command = readPing(message.get_message());
      break;
    case wire::DaemonMessage::drain:
      message.get_view();
      command = Drain{};
      break;
    case wire::DaemonMessage::epoch:
      command = readEpoch(message.get_message());
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
    if (length > messageLimitBytes || at >= 4) {
      if (length > messageLimitBytes || byte > 127)
        throw std::length_error("a message of more than " + std::to_string(messageLimitBytes) + " bytes was announced");
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
