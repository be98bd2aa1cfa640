// Debian 12 ships FAISS 1.7.3, which spells the type faiss::Index::idx_t; faiss-node 0.5.1 expects faiss::idx_t (1.7.4 on).
#pragma once
#include <faiss/Index.h>
#if FAISS_VERSION_MAJOR == 1 && (FAISS_VERSION_MINOR < 7 || (FAISS_VERSION_MINOR == 7 && FAISS_VERSION_PATCH < 4))
namespace faiss { using idx_t = Index::idx_t; }
#endif

// What faiss-node takes for vectors once tools/build-native.mjs has changed its source: an Array of numbers, or a Float32Array, which is
// copied as a whole. Four calls into the engine for each value of an Array cost more than comparing it with ten thousand vectors.
#include <algorithm>
#include <napi.h>
namespace sightline {
class Floats {
public:
  static bool is(const Napi::Value &value) {
    return value.IsArray() || (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array);
  }
  explicit Floats(const Napi::Value &value) : value_(value) {}
  size_t Length() const {
    return value_.IsArray() ? value_.As<Napi::Array>().Length() : value_.As<Napi::Float32Array>().ElementLength();
  }
  // The place of the first value that is no number, or the length.
  size_t copyTo(float *out) const {
    const size_t length = Length();
    if (!value_.IsArray()) {
      const auto floats = value_.As<Napi::Float32Array>();
      std::copy_n(floats.Data(), length, out);
      return length;
    }
    const auto array = value_.As<Napi::Array>();
    for (size_t i = 0; i < length; i++) {
      const Napi::Value item = array[i];
      if (!item.IsNumber()) return i;
      out[i] = item.As<Napi::Number>().FloatValue();
    }
    return length;
  }

private:
  Napi::Value value_;
};
}
