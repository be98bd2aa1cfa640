// sightline-bridge CONTAINER.JSON: the program in a DeepStream container (docs/decisions/deepstream-container.md).
#include <csignal>
#include <cstdlib>
#include <gst/gst.h>

#include "app.h"
#include "library_texts.h"

using namespace sightline::app;

namespace {

Exit run(const char *file, Log &log) {
  Settings settings = read_settings(file);
  log.set_level(settings.log_level);
  const std::string token = read_token(settings.token_file);
  App app(std::move(settings), token, log);
  return app.run();
}

} // namespace

int main(int count, char **arguments) {
  Log log(LogLevel::info);
  // A daemon that is gone is told by the write that fails.
  std::signal(SIGPIPE, SIG_IGN);
  if (count != 2) {
    log.error("usage: sightline-bridge CONTAINER.JSON");
    return static_cast<int>(Exit::settings);
  }
  gst_init(nullptr, nullptr);
  take_library_texts(log);
  try {
    return static_cast<int>(run(arguments[1], log));
  } catch (const SettingsError &error) {
    log.error(error.what());
    return static_cast<int>(Exit::settings);
  } catch (const std::exception &error) {
    log.error(std::string("the program failed: ") + error.what());
    return static_cast<int>(Exit::software);
  }
}
