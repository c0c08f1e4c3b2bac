"""Makes pictures small: rewrites each PNG of the command line with 256 colours, well compressed."""

import sys

from PIL import Image


def main() -> None:
    """Rewrite the pictures that are named."""
    for name in sys.argv[1:]:
        with Image.open(name) as picture:
            # The other methods lose the colours of small things, such as a dot.
            small = picture.convert("RGB").quantize(
                256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            )
        small.save(name, optimize=True)


if __name__ == "__main__":
    main()
