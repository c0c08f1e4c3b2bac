"""Tests, laid out like the house."""

from pathlib import Path

import pytest

if not __debug__:
    # `python -O` drops assertions except those that pytest writes anew.
    _PACKAGES = [path.name for path in Path(__file__).parent.iterdir() if path.is_dir()]
    pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _PACKAGES))
