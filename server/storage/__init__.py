"""Tables and all SQL of the server, through SQLAlchemy Core."""
