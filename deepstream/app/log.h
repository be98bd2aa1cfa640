#pragma once

#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "settings.h"

namespace sightline::app {

struct LogEntry {
  LogLevel level;
  std::string message;
  /** A JSON object. */
  std::string fields;
};

/**
 * Log lines: one JSON object a line on stderr (time, level, msg, fields), and to the daemon while `bridge` takes them; those
 * that it took carry `"bridged":true` on stderr. Safe from every thread; never called for each frame. Texts lose their
 * addresses.
 */
class Log {
public:
  explicit Log(LogLevel least) : least_(least) {}

  void write(LogLevel level, const std::string &message, const nlohmann::json &fields = nlohmann::json::object());
  void debug(const std::string &message, const nlohmann::json &fields = {}) { write(LogLevel::debug, message, fields); }
  void info(const std::string &message, const nlohmann::json &fields = {}) { write(LogLevel::info, message, fields); }
  void warn(const std::string &message, const nlohmann::json &fields = {}) { write(LogLevel::warn, message, fields); }
  void error(const std::string &message, const nlohmann::json &fields = {}) { write(LogLevel::error, message, fields); }

  void set_level(LogLevel least);
  /** True: the daemon will be sent it. Never blocks and never logs. An empty one takes the bridge away. */
  void set_bridge(std::function<bool(LogEntry)> bridge);

private:
  std::mutex mutex_;
  LogLevel least_;
  std::function<bool(LogEntry)> bridge_;
};

} // namespace sightline::app
