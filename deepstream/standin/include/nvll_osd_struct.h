/* What nvdsosd draws, written anew for the stand-in: same names, own layout. */
#ifndef STANDIN_NVLL_OSD_STRUCT_H
#define STANDIN_NVLL_OSD_STRUCT_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  double red, green, blue, alpha;
} NvOSD_ColorParams;

typedef struct {
  char *font_name;
  unsigned int font_size;
  NvOSD_ColorParams font_color;
} NvOSD_FontParams;

typedef struct {
  char *display_text;
  unsigned int x_offset;
  unsigned int y_offset;
  NvOSD_FontParams font_params;
  int set_bg_clr;
  NvOSD_ColorParams text_bg_clr;
} NvOSD_TextParams;

typedef struct {
  float left, top, width, height;
  unsigned int border_width;
  NvOSD_ColorParams border_color;
  unsigned int has_bg_color;
  unsigned int reserved;
  NvOSD_ColorParams bg_color;
  int has_color_info;
  int color_id;
  float rotation_angle;
} NvOSD_RectParams;

typedef struct {
  unsigned int x1, y1, x2, y2;
  unsigned int line_width;
  NvOSD_ColorParams line_color;
} NvOSD_LineParams;

typedef struct {
  unsigned int xc, yc, radius;
  NvOSD_ColorParams circle_color;
  unsigned int has_bg_color;
  NvOSD_ColorParams bg_color;
  unsigned int circle_width;
} NvOSD_CircleParams;

#ifdef __cplusplus
}
#endif
#endif
