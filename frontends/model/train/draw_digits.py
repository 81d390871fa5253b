"""Draw the ten sample digits of the demonstration, and check them against a model.

Each digit is a list of strokes.  A stroke is a list of control points on a
140 x 140 sheet (x to the right, y downwards) through which a smooth curve is
drawn with a round pen.  Nothing here comes from a data set or from a font.

    python draw_digits.py --out ../digits
    python draw_digits.py --out ../digits --check ../models/mnist.safetensors

The check reads the pictures back, prepares them the way the product prepares
a picture (see `prepare`) and runs the integer network on them.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from PIL import Image, ImageDraw

Point = tuple[float, float]
Stroke = list[Point]

SHEET = 140  # pixels per side of a picture
OVERSAMPLING = 8  # sub-pixels per pixel and axis: the anti-aliasing
PEN = 11.0  # pen diameter in pixels
PAPER = (250, 248, 242)
INK = (28, 34, 66)
COLOURS = 16  # palette size: keeps the files small

# A point given twice makes a corner: the curve has no tangent to carry over.
DIGITS: dict[int, list[Stroke]] = {
    0: [
        [(77, 27), (58, 31), (44, 51), (41, 78), (49, 104), (68, 114),
         (88, 104), (99, 80), (97, 52), (87, 34), (71, 28)],
    ],
    1: [
        [(78, 26), (73, 56), (68, 86), (63, 115)],
    ],
    2: [
        [(42, 49), (50, 33), (69, 26), (88, 33), (92, 51), (81, 72),
         (62, 93), (42, 110), (42, 110), (66, 107), (100, 111)],
    ],
    3: [
        [(45, 36), (63, 26), (84, 30), (90, 46), (80, 60), (62, 67),
         (62, 67), (84, 71), (95, 86), (88, 105), (67, 115), (43, 108)],
    ],
    4: [
        [(50, 28), (46, 48), (42, 70), (42, 70), (64, 72), (97, 66)],
        [(91, 27), (88, 58), (85, 88), (82, 116)],
    ],
    5: [
        [(52, 31), (49, 47), (47, 63), (47, 63), (66, 58), (86, 66),
         (93, 84), (84, 105), (63, 114), (42, 106)],
        [(52, 31), (72, 31), (95, 27)],
    ],
    6: [
        [(84, 26), (63, 42), (49, 66), (45, 91), (55, 111), (75, 114),
         (91, 101), (91, 82), (76, 73), (58, 81), (48, 97)],
    ],
    7: [
        [(42, 36), (64, 35), (96, 31), (96, 31), (84, 58), (71, 87),
         (62, 115)],
    ],
    8: [
        [(90, 38), (73, 26), (54, 33), (53, 50), (69, 66), (88, 84),
         (89, 104), (70, 115), (51, 105), (51, 86), (68, 67), (86, 52),
         (90, 39), (80, 29)],
    ],
    9: [
        [(91, 42), (79, 29), (60, 31), (48, 48), (54, 65), (71, 67),
         (86, 57), (92, 42), (92, 42), (90, 66), (85, 92), (78, 116)],
    ],
}


def curve(points: Stroke, spacing: float = 0.25) -> Stroke:
    """Sample the curve through `points` (cubic segments, centripetal knots).

    Every segment between two successive points is a Hermite cubic whose
    tangents follow the neighbouring points; the ends, and points that are
    given twice, take the chord as tangent.
    """
    runs: list[Stroke] = [[points[0]]]
    for previous, point in zip(points, points[1:]):
        if point == previous:
            runs.append([point])
        else:
            runs[-1].append(point)
    samples: Stroke = []
    for run in runs:
        samples.extend(_smooth_run(run, spacing))
    return samples


def _smooth_run(run: Stroke, spacing: float) -> Stroke:
    """Sample one corner-free piece of a stroke."""
    if len(run) < 2:
        return list(run)
    knots = [0.0]
    for a, b in zip(run, run[1:]):
        knots.append(knots[-1] + math.sqrt(math.dist(a, b)))

    def slope(i: int) -> Point:
        """Derivative of the curve at point `i`, by knot parameter."""
        lo, hi = max(i - 1, 0), min(i + 1, len(run) - 1)
        if lo == i or hi == i:
            h = knots[hi] - knots[lo]
            return ((run[hi][0] - run[lo][0]) / h, (run[hi][1] - run[lo][1]) / h)
        h0, h1 = knots[i] - knots[lo], knots[hi] - knots[i]
        before = [(run[i][k] - run[lo][k]) / h0 for k in (0, 1)]
        after = [(run[hi][k] - run[i][k]) / h1 for k in (0, 1)]
        mixed = [(before[k] * h1 + after[k] * h0) / (h0 + h1) for k in (0, 1)]
        return (mixed[0], mixed[1])

    samples: Stroke = []
    for i, (a, b) in enumerate(zip(run, run[1:])):
        h = knots[i + 1] - knots[i]
        da, db = slope(i), slope(i + 1)
        steps = max(2, math.ceil(math.dist(a, b) / spacing))
        for step in range(steps + 1):
            t = step / steps
            t2, t3 = t * t, t * t * t
            wa, wda = 2 * t3 - 3 * t2 + 1, (t3 - 2 * t2 + t) * h
            wb, wdb = -2 * t3 + 3 * t2, (t3 - t2) * h
            samples.append((
                wa * a[0] + wda * da[0] + wb * b[0] + wdb * db[0],
                wa * a[1] + wda * da[1] + wb * b[1] + wdb * db[1],
            ))
    return samples


def draw(strokes: list[Stroke]) -> Image.Image:
    """Draw one digit as a small palette picture, dark ink on light paper."""
    side = SHEET * OVERSAMPLING
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    radius = PEN * OVERSAMPLING / 2
    for stroke in strokes:
        for x, y in curve(stroke):
            cx, cy = x * OVERSAMPLING, y * OVERSAMPLING
            pen.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=255)
    mask = mask.resize((SHEET, SHEET), Image.Resampling.BOX)
    # Ink coverage in COLOURS steps is the palette index itself.
    top = COLOURS - 1
    indices = mask.point([(value * top + 127) // 255 for value in range(256)])
    picture = Image.frombytes("P", indices.size, indices.tobytes())
    palette: list[int] = []
    for step in range(COLOURS):
        for paper, ink in zip(PAPER, INK):
            palette.append((paper * (top - step) + ink * step + top // 2) // top)
    picture.putpalette(palette)
    return picture


def prepare(path: Path):
    """Turn a picture file into a 28 x 28 array of pixel values 0..255.

    Grey by luma; ink made bright if the border is light; background to 0 and
    the brightest point to 255; cropped to the ink (above a quarter of the
    maximum); longer side scaled to 20 by box average; placed with its centre
    of mass at the centre of the 28 x 28 image.
    """
    import numpy as np

    rgb = np.asarray(Image.open(path).convert("RGB"), dtype=np.float64)
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    if border.mean() > 127:
        grey, border = 255 - grey, 255 - border
    background = border.mean()
    grey = np.clip(grey - background, 0, None)
    grey *= 255 / grey.max()
    rows, columns = np.nonzero(grey > 0.25 * 255)
    box = grey[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
    scale = 20 / max(box.shape)
    height, width = (max(1, round(n * scale)) for n in box.shape)
    small = _box_weights(box.shape[0], height) @ box @ _box_weights(box.shape[1], width).T
    total = small.sum()
    centre_row = (small.sum(axis=1) @ (np.arange(height) + 0.5)) / total
    centre_column = (small.sum(axis=0) @ (np.arange(width) + 0.5)) / total
    top = min(max(round(14 - centre_row), 0), 28 - height)
    left = min(max(round(14 - centre_column), 0), 28 - width)
    image = np.zeros((28, 28), dtype=np.int64)
    image[top:top + height, left:left + width] = np.rint(small).astype(np.int64)
    return image


def _box_weights(source: int, target: int):
    """Matrix [target, source] of box averages along one axis."""
    import numpy as np

    edges = np.arange(target + 1) * (source / target)
    cells = np.arange(source)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    return np.clip(overlap, 0, None) * (target / source)


def check(folder: Path, model: Path) -> bool:
    """Classify all pictures, print the logits; true if all labels are right."""
    import numpy as np

    from integers import IntegerModel

    network = IntegerModel.load(model)
    images = np.stack([prepare(folder / f"{digit}.png") for digit in sorted(DIGITS)])
    logits = network.outputs(images)[network.layers[-1].name]
    right = True
    for digit, row in enumerate(logits):
        label = int(row.argmax())
        margin = int(row[digit] - np.delete(row, digit).max())
        right &= label == digit
        verdict = "ok   " if label == digit else "WRONG"
        print(f"{digit}: {verdict} label {label}  margin {margin:>9}  logits {row.tolist()}")
    return right


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--check", type=Path, metavar="MODEL",
                        help="classify the pictures with this model file")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for digit, strokes in DIGITS.items():
        path = options.out / f"{digit}.png"
        draw(strokes).save(path, optimize=True, bits=4)
        print(f"{path.name}: {path.stat().st_size} bytes")
    if options.check is None:
        return 0
    return 0 if check(options.out, options.check) else 1


if __name__ == "__main__":
    sys.exit(main())
