"""The tables of engines: who owns which shard, what each keeps for itself, and what all share."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text

from server.storage.tables import ID, NAME, SYMBOL, TIME, metadata

# The engines that write to a database of PostgreSQL. One whose backend `pid` holds no lock of ours
# is dead.
engines = Table(
    "engines",
    metadata,
    Column("id", ID, primary_key=True),
    # Where fronts reach it: unix:PATH or tcp:HOST:PORT.
    Column("address", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("since", TIME, nullable=False),
    Column("version", String(32), nullable=False),
    # What must be the same for all engines.
    Column("terms", Text, nullable=False),
)

# The shards, and beyond them the market. `engine_id` is NULL while nobody owns it.
# `marks_id` says which `trails` its orders follow; NULL: each order has its watermark itself.
shards = Table(
    "shards",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("engine_id", ID),
    Column("marks_id", ID),
)

trails = Table(
    "trails",
    metadata,
    Column("marks_id", ID, primary_key=True),
    Column("symbol", SYMBOL, primary_key=True),
    Column("side", NAME, primary_key=True),
    # The best prices since the orders of each group were accepted, as JSON: [[number, price], …].
    Column("marks", Text, nullable=False),
)

# The log of a published market that engines share: the quotes of each call as the owner of the
# market accepted them, for the others to apply.
published = Table(
    "published",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", TIME, nullable=False),
    # As JSON, in order: the values of quotes, and symbols.
    Column("quotes", Text, nullable=False),
    Column("confirmed", Text, nullable=False),
)

# The identity of this database, and the number of transactions that have written to it: in the one
# row of a file, and in PostgreSQL in a row for each replica.
commits = Table(
    "commits",
    metadata,
    Column("database_id", String(16), primary_key=True),
    Column("replica_id", ID, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

# What signs tokens and determines prices, if the venue is in PostgreSQL: `jwt`, `ticket`, `market`.
# A role that only reads reports must not see it.
shared_secrets = Table(
    "secrets",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("value", Text, nullable=False),
)

# The file of the newest ranking, compressed in parts, if the venue is in PostgreSQL. Servers of
# another version may write another form of it.
rankings = Table(
    "rankings",
    metadata,
    Column("form", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("made_at", TIME, nullable=False),
    Column("due_at", TIME, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
