import skia
from head import Head


def draw_hair_behind_head(canvas: skia.Canvas, head: Head) -> None:
    return
