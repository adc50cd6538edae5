"""Prints PillowOperations.g.cs: what Pillow's operations, called as timm 0.4.12 calls them, make of small made-up images.

    python3 pillow_operations.py > PillowOperations.g.cs
"""
import hashlib
import os
import sys

import PIL
from PIL import Image, ImageEnhance, ImageOps

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from pillow_pictures import picture  # noqa: E402

FILL = (124, 116, 104)

# The first is short enough to be written out. 23×17 pixels make Equalize count beyond 255; 3×3 is the least that Sharpness changes.
IMAGES = [
    ("Noise", 4, 3), ("Noise", 1, 1), ("Noise", 2, 9), ("Noise", 9, 2), ("Noise", 3, 3), ("Noise", 23, 17), ("Faint", 61, 47), ("Ramp", 64, 40),
    ("Edges", 97, 61), ("Flat", 16, 20), ("Noise", 120, 97),
]


def affine(*matrix):
    return lambda image: image.transform(image.size, Image.AFFINE, matrix, resample=Image.BICUBIC, fillcolor=FILL)


def moved_x(share):
    return lambda image: affine(1, 0, share * image.size[0], 0, 1, 0)(image)


def moved_y(share):
    return lambda image: affine(1, 0, 0, 0, 1, share * image.size[1])(image)


def added(value):
    return lambda image: image.point([min(255, i + value) if i < 128 else i for i in range(256)] * 3)


def enhanced(kind):
    return [(f, lambda image, f=f: kind(image).enhance(f)) for f in (0.1, 0.19, 0.4873, 0.73, 1.0, 1.27, 1.81, 1.9, 0, 3.7)]


SIGNED = [1.0, 0.9, 0.37]
OPERATIONS = {
    "AutoContrast": [(0, ImageOps.autocontrast)],
    "Equalize": [(0, ImageOps.equalize)],
    "Invert": [(0, ImageOps.invert)],
    "Rotate": [(d, lambda image, d=d: image.rotate(d, resample=Image.BICUBIC, fillcolor=FILL)) for d in (27.0, -27.0, 30.0, -30.0, 11.1, -0.37, 0, 45.0, -23.4567)],
    "Posterize": [(b, lambda image, b=b: ImageOps.posterize(image, b) if b < 8 else image) for b in (0, 1, 2, 3, 4, 8)],
    "Solarize": [(t, lambda image, t=t: ImageOps.solarize(image, t)) for t in (0, 26, 128, 255, 256)],
    "SolarizeAdd": [(a, added(a)) for a in (0, 55, 99, 110, 200)],
    "Color": enhanced(ImageEnhance.Color),
    "Contrast": enhanced(ImageEnhance.Contrast),
    "Brightness": enhanced(ImageEnhance.Brightness),
    "Sharpness": enhanced(ImageEnhance.Sharpness),
    "ShearX": [(s, affine(1, s, 0, 0, 1, 0)) for s in (0.27, -0.27, 0.3, -0.3, 0.111, -0.004, 0, 1.0)],
    "ShearY": [(s, affine(1, 0, 0, s, 1, 0)) for s in (0.27, -0.27, 0.3, -0.3, 0.111, -0.004, 0, 1.0)],
    "TranslateX": [(s, moved_x(s)) for s in (0.405, -0.405, 0.45, -0.45, 0.1234, -0.02, 0, 0.25)],
    "TranslateY": [(s, moved_y(s)) for s in (0.405, -0.405, 0.45, -0.45, 0.1234, -0.02, 0, 0.25)],
}


def form(data):
    return data.hex() if len(data) <= 36 else hashlib.sha256(data).hexdigest()[:16]


def main():
    print(f"// Made by pillow_operations.py with Pillow {PIL.__version__}: bytes in hex where there are at most 36, else the beginning of their SHA-256.")
    print("using RMeeTo.Vim.Images.Augmentation;\n\nnamespace RMeeTo.Vim.Tests.Images.Augmentation;\n")
    print("internal static class PillowOperations\n{")
    print("    public static readonly (Pattern Pattern, int Width, int Height)[] Images =\n    [")
    for pattern, w, h in IMAGES:
        print(f"        (Pattern.{pattern}, {w}, {h}),")
    print("    ];\n\n    public static readonly (ImageOperationKind Kind, double Argument, string[] Expected)[] Operations =\n    [")
    for kind, cases in OPERATIONS.items():
        for argument, apply in cases:
            print(f"        (ImageOperationKind.{kind}, {argument!r},\n        [")
            results = [form(apply(picture(*image)).tobytes()) for image in IMAGES]
            print(f'            "{results[0]}",\n            ' + ", ".join(f'"{r}"' for r in results[1:5]) + ",\n            "
                  + ", ".join(f'"{r}"' for r in results[5:]) + ",\n        ]),")
    print("    ];\n}")


main()
