"""The index of a replay file: stores what its check found, so that a restart need not repeat it."""

from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import orjson

from server.market.bar_spans import Dates
from server.market.replay_content import FileState
from server.market.replay_file import ReplayFacts, ReplayKind
from server.market.replay_table import Mark, ReplayOptions

_FORM = 2
"""Changing this number invalidates indexes of an earlier form; the check is then repeated."""


def circumstances(*what: object) -> str:
    """Return a key for everything that a check depends on besides the file itself."""
    return sha256(orjson.dumps([_FORM, *map(repr, what)])).hexdigest()


def store_index(index: Path, facts: ReplayFacts, found_in: str) -> None:
    """Store the facts about a file under the circumstances of its check."""
    known = asdict(facts) | {"path": str(facts.path.absolute()), "circumstances": found_in}
    known["without_volume"] = sorted(facts.without_volume)
    whole = index.with_suffix(".new")
    whole.write_bytes(orjson.dumps(known, default=list))
    # Because of the rename, an index that exists is complete, even if this process is killed.
    whole.replace(index)


def load_index(index: Path, path: Path, found_in: str) -> ReplayFacts | None:
    """Return the stored facts about a file under these circumstances; None if there are none.

    The file may have changed since; compare it with `state`.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = orjson.loads(index.read_bytes())
        if (known.pop("path"), known.pop("circumstances")) == (str(path.absolute()), found_in):
            return ReplayFacts(
                **known
                | {
                    "path": path,
                    "options": ReplayOptions(**known["options"]),
                    "kind": ReplayKind(known["kind"]),
                    "dates": Dates(known["dates"]),
                    "without_volume": frozenset(known["without_volume"]),
                    "notes": tuple(known["notes"]),
                    "state": FileState(*known["state"]),
                    "marks": tuple(Mark(*mark) for mark in known["marks"]),
                }
            )
    return None
