"""The page that leads through the code names files that exist, and all folders of the service."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
FOLDERS = "server|rest_bridge|clients|proto|tests|docs|bench|examples"
NAMED = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", PAGE)


def test_what_the_page_names_exists() -> None:
    assert len(NAMED) > 30
    assert [name for name in NAMED if not (ROOT / name).exists()] == []


def test_every_folder_of_the_service_is_on_the_page() -> None:
    folders = {
        f"server/{path.name}/"
        for path in (ROOT / "server").iterdir()
        if (path / "__init__.py").exists()
    }
    assert folders <= set(NAMED)
