"""The made-up images of the tests, the same as in TestImages.cs."""
from PIL import Image


def pixel(pattern, x, y, c):
    if pattern == "Noise":
        v = (x * 73856093 ^ y * 19349663 ^ c * 83492791) & 0xFFFFFFFF
        v = (v * 2654435761) & 0xFFFFFFFF
        v ^= v >> 15
        return ((v * 2246822519) & 0xFFFFFFFF) >> 24
    if pattern == "Faint":
        return 70 + 20 * c + (pixel("Noise", x, y, c) >> (2 + c))
    if pattern == "Flat":
        return 60 + 70 * c
    if pattern == "Edges":
        return 255 if (x // 3 + y // 2 + c) & 1 else 0
    return (x * 5 + y * 3 + c * 40) & 255


def picture(pattern, w, h):
    return Image.frombytes("RGB", (w, h), bytes(pixel(pattern, x, y, c) for y in range(h) for x in range(w) for c in range(3)))
