"""Use cases: what callers can have done, in terms of the domain and of ports."""
