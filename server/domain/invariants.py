"""Invariants: conditions that hold whatever callers do; `python -O` checks them too."""


class BrokenInvariant(Exception):
    """An invariant is broken: nothing of the decision is stored, and its account is stopped."""
