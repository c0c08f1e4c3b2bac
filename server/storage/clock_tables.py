"""The tables of clocks: replays, who takes part in them, and until when interest is charged."""

from sqlalchemy import BigInteger, Column, Integer, String, Table

from server.storage.tables import ID, TIME, metadata

# Until when the accounts of a shard are charged for borrowed money and shares, for each clock: the
# digest of a replay, or empty for the time of day. While the midnight `charging` is being charged,
# the accounts up to the id `after` are done.
accruals = Table(
    "accruals",
    metadata,
    Column("clock", String(64), primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("until", TIME, nullable=False),
    Column("charging", TIME),
    Column("after", ID, nullable=False),
    sqlite_with_rowid=False,
)

# The position of the replay of a file, which is named by its SHA-256.
replays = Table(
    "replays",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("time", TIME, nullable=False),
)

# The accounts for which the clock of a lock-step replay waits, and how many steps in a row each has
# missed. `sequence` is the end of its log when the clock last came to a stand, at `stood`.
participants = Table(
    "participants",
    metadata,
    Column("account_id", ID, primary_key=True),
    Column("stood", TIME, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("missed", Integer, nullable=False),
    sqlite_with_rowid=False,
)
