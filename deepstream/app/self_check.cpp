#include "self_check.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clocks.h"
#include "holders.h"

namespace sightline::app {
namespace {

using nlohmann::json;

/** A child that was killed is waited for so long: one that is stuck in the driver cannot be ended by anybody. */
constexpr std::int64_t killed_within_us = 2'000'000;
constexpr std::size_t most_seen_bytes = 2000;
constexpr auto wait_every = std::chrono::milliseconds(20);

/** Whoever reads it takes lines of a few thousand characters. */
std::string shortened(const std::string &text) {
  return text.size() <= most_seen_bytes ? text : text.substr(0, most_seen_bytes) + " ...";
}

std::string line_of(const json &value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

[[noreturn]] void look_as_child(const Check &check, int answer) {
  // Nobody may print between the lines, and nobody is left behind.
  dup2(STDERR_FILENO, STDOUT_FILENO);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Finding finding{false, ""};
  try {
    finding = check.look();
  } catch (const std::exception &error) {
    finding = {false, error.what()};
  }
  const std::string text = line_of({{"ok", finding.ok}, {"seen", finding.seen}, {"facts", finding.facts}});
  std::size_t written = 0;
  while (written < text.size()) {
    const auto count = ::write(answer, text.data() + written, text.size() - written);
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  // Without the libraries' own ends: what they hold goes with the process, and some hang there.
  _exit(0);
}

/** All of it; absent when it did not end in time. */
std::optional<std::string> read_until(int from, std::int64_t deadline_us) {
  std::string text;
  char part[4096];
  while (true) {
    const auto left_us = deadline_us - mono_us();
    if (left_us <= 0) return std::nullopt;
    pollfd waited{from, POLLIN, 0};
    if (poll(&waited, 1, static_cast<int>(left_us / 1000) + 1) <= 0) continue;
    const auto count = ::read(from, part, sizeof part);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(part, static_cast<std::size_t>(count));
  }
}

std::optional<int> status_of(pid_t child, std::int64_t deadline_us) {
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (mono_us() >= deadline_us) return std::nullopt;
    usleep(std::chrono::duration_cast<std::chrono::microseconds>(wait_every).count());
  }
  return status;
}

std::string end_of(int status) {
  if (WIFSIGNALED(status)) return std::string("it crashed: ") + strsignal(WTERMSIG(status));
  return "it ended with exit code " + std::to_string(WEXITSTATUS(status)) + " and said nothing";
}

json look(const Check &check, std::chrono::milliseconds limit) {
  int pipes[2];
  if (pipe(pipes) != 0) return {{"ok", false}, {"seen", std::string("no pipe can be had: ") + std::strerror(errno)}};
  const Descriptor answer(pipes[0]);
  Descriptor mouth(pipes[1]);
  const pid_t child = fork();
  if (child < 0) return {{"ok", false}, {"seen", std::string("no process can be had: ") + std::strerror(errno)}};
  if (child == 0) look_as_child(check, mouth.get());
  mouth.reset();
  const auto deadline_us = mono_us() + std::chrono::microseconds(limit).count();
  const auto said = read_until(answer.get(), deadline_us);
  if (!said) kill(child, SIGKILL);
  const auto status = status_of(child, mono_us() + killed_within_us);
  if (!said) return {{"ok", false}, {"seen", "it was not done within " + std::to_string(limit.count() / 1000) + " s"}};
  auto finding = json::parse(*said, nullptr, false);
  if (finding.is_object()) {
    finding["seen"] = shortened(finding.value("seen", ""));
    return finding;
  }
  return {{"ok", false}, {"seen", status ? end_of(*status) : "it does not end"}};
}

} // namespace

void run_checks(const std::vector<Check> &checks, std::chrono::milliseconds limit_of_each,
                const std::function<void(const std::string &)> &print) {
  for (const auto &check : checks) {
    print(line_of({{"check", check.name}, {"begins", true}}));
    auto finding = look(check, limit_of_each);
    finding["check"] = check.name;
    print(line_of(finding));
  }
  print(line_of({{"done", true}}));
}

} // namespace sightline::app
