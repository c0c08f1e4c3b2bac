"""Tables and the only SQL of the house, through SQLAlchemy Core."""
