#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sightline::app {

struct Finding {
  bool ok;
  /** In words, of one line. */
  std::string seen;
  /** For programs; an object. */
  nlohmann::json facts = nlohmann::json::object();
};

struct Check {
  std::string name;
  std::function<Finding()> look;
};

/**
 * Looks one after the other, each in a process of its own: a driver that crashes or hangs costs its own check alone. `print`
 * gets one JSON object a line: `check` and `begins` before each, `check`, `ok`, `seen` and `facts` after it, `done` at the end.
 * For a process without threads and without GStreamer, since both do not survive a fork.
 */
void run_checks(const std::vector<Check> &checks, std::chrono::milliseconds limit_of_each,
                const std::function<void(const std::string &)> &print);

} // namespace sightline::app
