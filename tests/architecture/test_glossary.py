"""The glossary has one line for each term, in order, and no term that nothing else uses."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs/glossary.md"
ENTRY = re.compile(r"- \*\*([^*]+)\*\*: \S.*\.")
USED_IN = (
    ("proto/bottrading/v1", "*.proto"),
    ("server", "*.py"),
    ("rest_bridge", "*.py"),
    ("clients/python", "*.py"),
    ("docs", "*.md"),
)


def entries() -> list[str]:
    """Return the lines below the heading and its paragraph."""
    _, _, listed = GLOSSARY.read_text().split("\n\n")
    return listed.splitlines()


def terms() -> list[str]:
    return [found[1] for line in entries() if (found := ENTRY.fullmatch(line))]


def test_each_term_is_explained_in_one_line() -> None:
    assert [line for line in entries() if not ENTRY.fullmatch(line)] == []


def test_terms_are_in_alphabetical_order_each_once() -> None:
    assert terms() == sorted(set(terms()), key=str.casefold)


def test_each_term_is_used_in_code_contract_or_docs() -> None:
    texts = [
        path.read_text()
        for folder, pattern in USED_IN
        for path in (ROOT / folder).rglob(pattern)
        if path != GLOSSARY
    ]
    # `client_order_id`, ClientOrderId and "client order\nid" are one term.
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", "\n".join(texts))
    text = re.sub(r"[\s_/#]+", " ", apart).lower()

    assert [term for term in terms() if not re.search(rf"\b{term.lower()}", text)] == []
