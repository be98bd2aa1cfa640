import skia
from head import Head


def draw_beard(canvas: skia.Canvas, head: Head) -> None:
    return


def draw_moustache(canvas: skia.Canvas, head: Head) -> None:
    return
