"""The table of margin accounts besides accounts, positions and orders."""

from sqlalchemy import Column, String, Table

from server.storage.tables import ID, TIME, metadata

# Until when accounts are charged for borrowed money and shares, for each clock: the digest of a
# replay, or empty for the time of day. While the midnight `charging` is being charged, the accounts
# up to the id `after` are done.
accruals = Table(
    "accruals",
    metadata,
    Column("clock", String(64), primary_key=True),
    Column("until", TIME, nullable=False),
    Column("charging", TIME),
    Column("after", ID, nullable=False),
    sqlite_with_rowid=False,
)
