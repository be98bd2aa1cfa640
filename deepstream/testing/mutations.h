#pragma once

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

/**
 * Fuzzing in C++: inputs mutated by a seed. SIGHTLINE_FUZZ_SEED repeats a run, SIGHTLINE_FUZZ_ROUNDS makes it longer. It finds
 * most under `make deepstream-test SANITIZE=address`.
 */
namespace fuzz {

inline unsigned long told(const char *variable, unsigned long otherwise) {
  const char *value = std::getenv(variable);
  return value == nullptr ? otherwise : std::strtoul(value, nullptr, 10);
}

class Random {
public:
  /** A process that ends here has said how it is repeated. */
  Random() {
    const auto seed = told("SIGHTLINE_FUZZ_SEED", std::random_device()());
    std::fprintf(stderr, "SIGHTLINE_FUZZ_SEED=%lu\n", seed);
    engine_.seed(seed);
  }

  /** From 0 to below it. */
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : engine_() % limit; }
  bool once_in(std::size_t times) { return below(times) == 0; }
  template <typename Value> const Value &of(const std::vector<Value> &values) { return values[below(values.size())]; }

private:
  std::mt19937 engine_;
};

inline unsigned long rounds(unsigned long otherwise) {
  return told("SIGHTLINE_FUZZ_ROUNDS", otherwise);
}

/** Numbers of bytes at which readers err, as varints and in binary. */
inline const std::vector<std::string> &lengths() {
  using namespace std::string_literals;
  static const std::vector<std::string> known{"\x00"s,
                                              "\x7f"s,
                                              "\x80\x01"s,
                                              "\xff\xff\x03"s,
                                              "\xff\xff\xff\x07"s,
                                              "\xff\xff\xff\xff\x0f"s,
                                              "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,
                                              "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s,
                                              "\x7f\xff\xff\xff"s,
                                              "\xc3\x28"s,
                                              "\xed\xa0\x80"s};
  return known;
}

/** Another text that has some of its bytes otherwise, twice, not at all, or from another one. */
inline std::string mutated(std::string text, const std::vector<std::string> &others, const std::vector<std::string> &words,
                           Random &random) {
  constexpr std::size_t most = 1 << 14;
  for (std::size_t left = 1 + random.below(6); left > 0; left -= 1) {
    const auto at = random.below(text.size() + 1);
    const auto some = random.below(random.once_in(4) ? text.size() + 1 : 9);
    switch (random.below(8)) {
    case 0:
      if (!text.empty()) text[random.below(text.size())] ^= static_cast<char>(1U << random.below(8));
      break;
    case 1:
      text.insert(at, 1, static_cast<char>(random.below(256)));
      break;
    case 2:
      text.erase(at, some);
      break;
    case 3:
      text.resize(at);
      break;
    case 4: {
      const std::string piece = text.substr(at, some);
      for (std::size_t times = random.once_in(20) ? 500 : 2; times > 0 && text.size() < most; times -= 1)
        text.insert(at, piece);
      break;
    }
    case 5:
      text.replace(at, some, random.of(words));
      break;
    case 6:
      text.replace(at, random.below(3), random.of(lengths()));
      break;
    default: {
      const std::string &other = random.of(others);
      const auto from = random.below(other.size() + 1);
      text.replace(at, some, other.substr(from, random.below(64)));
    }
    }
  }
  return text;
}

} // namespace fuzz
