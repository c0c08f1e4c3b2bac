"""The pages about the code: what they name exists, and each decision has its number."""

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


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(numbers)
    assert all(re.match(r"# [A-Z]", page.read_text()) for page in pages)
