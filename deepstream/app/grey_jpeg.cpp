#include <csetjmp>
#include <cstddef>
#include <cstdio>
// libjpeg's header needs those before it.
#include <jpeglib.h>

#include "quality.h"

namespace sightline::app {
namespace {

/** libjpeg ends by this what it cannot read; its own would end the process. */
struct Failure {
  jpeg_error_mgr base;
  std::jmp_buf back;
};

void give_up(j_common_ptr common) {
  std::longjmp(reinterpret_cast<Failure *>(common->err)->back, 1);
}

void say_nothing(j_common_ptr /*common*/, int /*level*/) {}

/** Nothing with a destructor lives between setjmp and longjmp. */
bool decode(jpeg_decompress_struct &jpeg, Failure &failure, const std::uint8_t *data, std::size_t size, int most_side,
            Grey &grey) {
  if (setjmp(failure.back) != 0) return false;
  jpeg_mem_src(&jpeg, data, size);
  if (jpeg_read_header(&jpeg, TRUE) != JPEG_HEADER_OK) return false;
  if (jpeg.image_width > static_cast<unsigned>(most_side) || jpeg.image_height > static_cast<unsigned>(most_side)) return false;
  jpeg.out_color_space = JCS_GRAYSCALE;
  jpeg_start_decompress(&jpeg);
  grey.width = static_cast<int>(jpeg.output_width);
  grey.height = static_cast<int>(jpeg.output_height);
  grey.pixels.resize(static_cast<std::size_t>(grey.width) * grey.height);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = grey.pixels.data() + static_cast<std::size_t>(jpeg.output_scanline) * grey.width;
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  return jpeg_finish_decompress(&jpeg) == TRUE;
}

} // namespace

std::optional<Grey> grey_of_jpeg(const std::uint8_t *data, std::size_t size, int most_side) {
  jpeg_decompress_struct jpeg{};
  Failure failure{};
  jpeg.err = jpeg_std_error(&failure.base);
  failure.base.error_exit = give_up;
  failure.base.emit_message = say_nothing;
  jpeg_create_decompress(&jpeg);
  Grey grey;
  const bool whole = decode(jpeg, failure, data, size, most_side, grey);
  jpeg_destroy_decompress(&jpeg);
  if (!whole) return std::nullopt;
  return grey;
}

} // namespace sightline::app
