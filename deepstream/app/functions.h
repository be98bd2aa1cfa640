#pragma once

#include <dlfcn.h>

namespace sightline::app {

/** A library's function by its name; false where it has none. */
template <typename Function> bool find_function(void *library, const char *name, Function &function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

} // namespace sightline::app
