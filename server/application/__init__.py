"""Use cases: what callers can ask for, written in terms of the domain and of ports."""
