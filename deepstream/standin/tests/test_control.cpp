// The control file: read again when it changed, and strict.
#include <catch2/catch.hpp>

#include <csignal>

#include "control.h"
#include "launch.h"

using namespace standin;
using standin_test::Control;
using standin_test::in_child;

TEST_CASE("nothing is asked for without a file") {
  CHECK_FALSE(control_flag("/crops/refuse"));
  CHECK_FALSE(control_number("/mux/stuckPad").has_value());
}

TEST_CASE("what the file says holds from the next look on") {
  const Control control(
      R"({"crops": {"refuse": true}, "sources": {"3": {"ptsJumpMs": -5}, "*": {"ptsJumpMs": 7, "ignoreReset": true}, "5": {"ignoreReset": false}}})");
  CHECK(control_flag("/crops/refuse"));
  CHECK(source_number(3, "ptsJumpMs") == -5);
  CHECK(source_number(4, "ptsJumpMs") == 7);
  CHECK(source_flag(3, "ignoreReset"));
  CHECK_FALSE(source_flag(5, "ignoreReset"));
  control.put(R"({"inference": {"script": "boxes.json"}})");
  CHECK_FALSE(control_flag("/crops/refuse"));
  CHECK(control_text("/inference/script") == "boxes.json");
  control.put("{}");
  CHECK_FALSE(control_text("/inference/script").has_value());
}

TEST_CASE("what is no key, has the wrong type or is no JSON ends the process") {
  for (const char *json : {R"({"crops": {"refuze": true}})", R"({"crops": {"refuse": 1}})", R"({"mux": {"stuckPad": "0"}})",
                           R"({"crops": true})", "{", "[]"}) {
    INFO(json);
    const Control control(json);
    CHECK(in_child([] { control_flag("/crops/refuse"); }).signal == SIGABRT);
  }
}
