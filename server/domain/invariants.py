"""Invariants: what must hold whatever callers do, checked under `python -O` too."""


class BrokenInvariant(Exception):
    """What must hold does not: nothing of the decision is stored, and its account stops."""
