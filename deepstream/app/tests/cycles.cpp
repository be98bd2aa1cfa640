// cycles COUNT CONTAINER.JSON: makes the whole program and takes it down so many times in one process, each time until its
// daemon says so. One line a time: what the process holds after it. For test/support/deepstream-cycles.ts.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gst/gst.h>
#include <iterator>
#include <malloc.h>
#include <unistd.h>

#include "app.h"
#include "library_texts.h"

using namespace sightline::app;

namespace {

long count(const char *folder) {
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

long resident_kib() {
  std::ifstream file("/proc/self/statm");
  long total = 0;
  long resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE) / 1024;
}

} // namespace

int main(int arguments, char **argument) {
  if (arguments != 3) return 64;
  Log log(LogLevel::warn);
  std::signal(SIGPIPE, SIG_IGN);
  gst_init(nullptr, nullptr);
  take_library_texts(log);
  for (long left = std::strtol(argument[1], nullptr, 10); left > 0; left -= 1) {
    Settings settings = read_settings(argument[2]);
    const std::string token = read_token(settings.token_file);
    Exit code = Exit::done;
    {
      App app(std::move(settings), token, log);
      code = app.run();
    }
    if (code != Exit::done) return static_cast<int>(code);
    // What the C library keeps for the next time is no growth.
    malloc_trim(0);
    std::printf("{\"files\":%ld,\"threads\":%ld,\"residentKib\":%ld}\n", count("/proc/self/fd"), count("/proc/self/task"),
                resident_kib());
    std::fflush(stdout);
  }
  return 0;
}
