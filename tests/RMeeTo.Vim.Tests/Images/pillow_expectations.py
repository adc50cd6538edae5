"""Prints PillowExpectations.g.cs: what Pillow makes of small made-up images. Run with Python 3 and Pillow:

    python3 pillow_expectations.py > PillowExpectations.g.cs
"""
import hashlib

import PIL
from PIL import Image

from pillow_pictures import picture


def form(data):
    return data.hex() if len(data) <= 96 else "sha256:" + hashlib.sha256(data).hexdigest()


# pattern, source w, h, result w, h, box; "crop" crops to whole pixels before, as torchvision's resized_crop does.
RESIZES = [
    ("Noise", 8, 6, 4, 3, None), ("Noise", 4, 3, 8, 4, None), ("Edges", 12, 8, 5, 3, None), ("Edges", 5, 5, 6, 5, None),
    ("Noise", 1, 1, 5, 3, None), ("Noise", 1, 7, 1, 3, None), ("Noise", 7, 1, 3, 1, None), ("Noise", 7, 1, 3, 9, None),
    ("Noise", 9, 7, 9, 7, None), ("Noise", 9, 7, 9, 3, None), ("Noise", 9, 7, 4, 7, None), ("Noise", 9, 7, 1, 1, None),
    ("Noise", 500, 3, 7, 2, None), ("Noise", 3, 500, 2, 7, None), ("Noise", 2000, 3, 64, 64, None), ("Noise", 3, 2000, 64, 5, None),
    ("Noise", 2000, 3, 3000, 2, None), ("Noise", 125, 94, 64, 48, None), ("Edges", 125, 94, 64, 48, None), ("Ramp", 125, 94, 64, 48, None),
    ("Noise", 333, 250, 341, 256, None), ("Edges", 96, 96, 224, 224, None), ("Noise", 97, 61, 31, 199, None), ("Noise", 300, 5, 5, 300, None),
    ("Noise", 500, 375, 341, 256, None), ("Edges", 500, 375, 341, 256, None), ("Noise", 375, 500, 256, 341, None),
    ("Noise", 16, 12, 4, 4, (2, 1, 14, 11)), ("Noise", 16, 12, 4, 4, (2.25, 1.5, 13.75, 10.125)), ("Edges", 16, 12, 5, 4, (0.1, 0.3, 15.9, 11.7)),
    ("Noise", 64, 48, 64, 48, (0.5, 0, 64, 48)), ("Noise", 64, 48, 32, 48, (32, 0, 64, 48)), ("Noise", 64, 48, 64, 20, (0, 28, 64, 48)),
    ("Noise", 64, 48, 40, 40, (20.7, 11.3, 21.1, 11.9)), ("Noise", 120, 90, 33, 44, (1.1, 2.2, 118.3, 87.7)),
    ("Noise", 16, 12, 4, 4, ("crop", 2, 1, 14, 11)), ("Noise", 120, 90, 96, 96, ("crop", 31, 22, 78, 83)), ("Edges", 120, 90, 56, 56, ("crop", 0, 0, 120, 90)),
    ("Noise", 120, 90, 48, 64, ("crop", 63, 29, 120, 90)), ("Noise", 40, 30, 8, 8, ("crop", 39, 29, 40, 30)),
]

# pattern, source w, h, network input h, w, size of the resized image: torchvision's Resize(shorter edge) or the cover rule, then CenterCrop.
EVALUATIONS = [
    ("Noise", 500, 375, 224, 224, (341, 256)), ("Noise", 375, 500, 224, 224, (256, 341)), ("Edges", 300, 301, 224, 224, (256, 256)),
    ("Noise", 333, 250, 96, 96, (145, 109)), ("Noise", 1, 1, 32, 32, (36, 36)), ("Noise", 50, 3, 32, 32, (600, 36)), ("Noise", 200, 100, 32, 64, (73, 36)),
    ("Noise", 100, 200, 32, 64, (73, 146)), ("Noise", 101, 100, 70, 35, (80, 80)),
]


def resized(pattern, w, h, ow, oh, box):
    image = picture(pattern, w, h)
    if box is not None and box[0] == "crop":
        image, box = image.crop(box[1:]), None
    return image.resize((ow, oh), Image.BICUBIC, box=box).tobytes()


def evaluated(pattern, w, h, ih, iw, size):
    left, top = round((size[0] - iw) / 2.0), round((size[1] - ih) / 2.0)
    return picture(pattern, w, h).resize(size, Image.BICUBIC).crop((left, top, left + iw, top + ih)).tobytes()


def main():
    print(f"// Made by pillow_expectations.py with Pillow {PIL.__version__}.")
    print("namespace RMeeTo.Vim.Tests.Images;\n")
    print("internal static class PillowExpectations\n{")
    print("    public static readonly ResizeCase[] Resizes =\n    [")
    for pattern, w, h, ow, oh, box in RESIZES:
        crop = box is not None and box[0] == "crop"
        numbers = (box[1:] if crop else box) or (0, 0, w, h)
        edges = ", ".join(f"{n}f" for n in numbers)
        print(f"        new(Pattern.{pattern}, {w}, {h}, {ow}, {oh}, new({edges}), {str(crop).lower()}, \"{form(resized(pattern, w, h, ow, oh, box))}\"),")
    print("    ];\n\n    public static readonly EvaluationCase[] Evaluations =\n    [")
    for pattern, w, h, ih, iw, size in EVALUATIONS:
        print(f"        new(Pattern.{pattern}, {w}, {h}, {ih}, {iw}, \"{form(evaluated(pattern, w, h, ih, iw, size))}\"),")
    print("    ];\n}")


main()
