import skia
from head import Head


def draw_hat(canvas: skia.Canvas, head: Head, behind: bool = False) -> None:
    return
