#include "self_check.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <unistd.h>

using namespace sightline::app;
using nlohmann::json;

namespace {

std::vector<json> lines_of(const std::vector<Check> &checks, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  std::vector<json> lines;
  run_checks(checks, limit, [&](const std::string &line) { lines.push_back(json::parse(line)); });
  return lines;
}

} // namespace

TEST_CASE("each check begins and is told of") {
  const std::string large(200'000, 'x');
  const auto lines = lines_of({{"good",
                                [] {
                                  return Finding{true, "all well", {{"version", 3}}};
                                }},
                               {"bad", [&] {
                                  return Finding{false, large};
                                }}});
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == json{{"check", "good"}, {"begins", true}});
  CHECK(lines[1] == json{{"check", "good"}, {"ok", true}, {"seen", "all well"}, {"facts", {{"version", 3}}}});
  CHECK(lines[3]["ok"] == false);
  CHECK(lines[3]["seen"] == large.substr(0, 2000) + " ...");
  CHECK(lines[4] == json{{"done", true}});
}

TEST_CASE("a check that crashes, throws or leaves costs itself alone") {
  const auto lines = lines_of({{"crashes",
                                []() -> Finding {
                                  std::signal(SIGSEGV, SIG_DFL);
                                  raise(SIGSEGV);
                                  return {true, ""};
                                }},
                               {"throws", []() -> Finding { throw std::runtime_error("no such card"); }},
                               {"leaves", []() -> Finding { _exit(3); }},
                               {"good", [] {
                                  return Finding{true, "all well"};
                                }}});
  REQUIRE(lines.size() == 9);
  CHECK(lines[1]["seen"] == "it crashed: Segmentation fault");
  CHECK(lines[3]["seen"] == "no such card");
  CHECK(lines[5]["seen"] == "it ended with exit code 3 and said nothing");
  for (const std::size_t at : {1U, 3U, 5U}) CHECK(lines[at]["ok"] == false);
  CHECK(lines[7]["ok"] == true);
}

TEST_CASE("a check that hangs is ended, and the next one begins") {
  const auto hang = []() -> Finding {
    while (true) pause();
  };
  const auto lines = lines_of({{"hangs", hang}, {"hangs too", hang}}, std::chrono::milliseconds(100));
  REQUIRE(lines.size() == 5);
  CHECK(lines[1] == json{{"check", "hangs"}, {"ok", false}, {"seen", "it was not done within 0 s"}});
  CHECK(lines[3]["ok"] == false);
}

TEST_CASE("what a check's libraries print stands between no lines") {
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  const int before = dup(STDOUT_FILENO);
  std::fflush(stdout);
  dup2(pipes[1], STDOUT_FILENO);
  close(pipes[1]);
  const auto lines = lines_of({{"loud", [] {
                                  const auto written = write(STDOUT_FILENO, "Opening in BLOCKING MODE\n", 25);
                                  return Finding{written == 25, ""};
                                }}});
  dup2(before, STDOUT_FILENO);
  close(before);
  char text[100];
  CHECK(read(pipes[0], text, sizeof text) == 0);
  close(pipes[0]);
  CHECK(lines[1]["ok"] == true);
}
