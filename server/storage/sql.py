"""Statements as both databases know them: what is asked, apart from how a database writes it.

The texts are written once, in the SQL that SQLite and PostgreSQL share. `sqlite.py` and
`postgresql.py` write what differs: parameters, lists of keys, and many rows at once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import Table


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A statement with parameters that are written `:name`.

    `postgresql` is its text where PostgreSQL needs another one. `of_shards` is its text for the
    rows of some shards, which are the parameter `:shards`.
    """

    text: str
    postgresql: str | None = None
    of_shards: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """A query about many keys at once, each a tuple of values with the types `types`.

    In the text, `{wanted}` stands for the table of the keys, which is joined first, and `{0}`,
    `{1}`, … for the values of a key. The types are PostgreSQL's. `of_shards` is as in a query.
    """

    text: str
    types: tuple[str, ...]
    of_shards: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Insert:
    """Adds rows to a table."""

    table: Table


@dataclass(frozen=True, slots=True, eq=False)
class Upsert:
    """Adds rows, or sets columns of those whose key is known.

    `changing` are expressions by column; `excluded` is the row that was given, and `{least}` and
    `{greatest}` stand for the functions that return the least and the greatest of two values.
    """

    table: Table
    changing: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """Sets columns of stored rows, which are found by `key`.

    `expected` are columns by the names of the values that they must have had before. Only a
    database to which somebody else can be connected needs to compare them.
    """

    table: Table
    key: tuple[str, ...]
    changing: tuple[str, ...]
    expected: Mapping[str, str] = field(default_factory=dict[str, str])


_OF_SHARDS = re.compile(r"\[\[(.*?)\]\]")


def divided(text: str) -> Query:
    """Return a query of which the parts in `[[…]]` hold only if an engine owns some shards."""
    return Query(_OF_SHARDS.sub("", text), of_shards=_OF_SHARDS.sub(r"\1", text))


def divided_lookup(text: str, types: tuple[str, ...]) -> Lookup:
    """Return a lookup of which the parts in `[[…]]` hold only if an engine owns some shards."""
    return Lookup(_OF_SHARDS.sub("", text), types, _OF_SHARDS.sub(r"\1", text))


def shards_text(shards: Iterable[int]) -> str:
    """Return shards as the parameter `:shards`."""
    return f"{{{','.join(map(str, sorted(shards)))}}}"


Bulk: TypeAlias = Insert | Upsert | Update
"""A statement that runs for many rows, whose values have the names of the columns."""


def stored_as_given(table: Table, *changing: str) -> Upsert:
    """Return an upsert that sets columns to the values that are given."""
    return Upsert(table, {name: f"excluded.{name}" for name in changing})


def others(table: Table, *names: str) -> tuple[str, ...]:
    """Return the columns of a table but some."""
    return tuple(column.name for column in table.columns if column.name not in names)
