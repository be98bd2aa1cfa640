// sightline-bridge CONTAINER.JSON: the program in a DeepStream container (docs/decisions/deepstream-container.md).
// sightline-bridge --check PARSERS TRACKER: whether image and card have what it needs; a JSON object a line on stdout.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <gst/gst.h>
#include <unistd.h>

#include "app.h"
#include "checks.h"
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

/** Of each check. The first use of a card compiles kernels, which can take a minute. */
constexpr auto check_limit = std::chrono::minutes(2);

int check(const char *parsers, const char *tracker) {
  run_checks(checks({parsers, tracker}), check_limit, [](const std::string &line) {
    std::puts(line.c_str());
    std::fflush(stdout);
  });
  return static_cast<int>(Exit::done);
}

/**
 * Ends the process without its exit handlers: threads of nvinferserver's Triton client may still be on their way out, and under
 * these handlers gRPC ended the process by SIGABRT now and then, and what it ended for was lost. Sanitizers report from exit
 * handlers.
 */
int leave(Exit code) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (code == Exit::done) std::quick_exit(static_cast<int>(code));
  _exit(static_cast<int>(code));
#else
  return static_cast<int>(code);
#endif
}

} // namespace

int main(int count, char **arguments) {
  Log log(LogLevel::info);
  // A daemon that is gone is told by the write that fails.
  std::signal(SIGPIPE, SIG_IGN);
  if (count == 4 && std::strcmp(arguments[1], "--check") == 0) return check(arguments[2], arguments[3]);
  if (count != 2) {
    log.error("usage: sightline-bridge CONTAINER.JSON, or sightline-bridge --check PARSERS TRACKER");
    return static_cast<int>(Exit::settings);
  }
  gst_init(nullptr, nullptr);
  take_library_texts(log);
  try {
    const Exit code = run(arguments[1], log);
    say_left_out(log);
    return leave(code);
  } catch (const SettingsError &error) {
    log.error(error.what());
    return static_cast<int>(Exit::settings);
  } catch (const std::exception &error) {
    log.error(std::string("the program failed: ") + error.what());
    return static_cast<int>(Exit::software);
  }
}
