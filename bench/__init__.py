"""Measurements of the whole service against a bare server in the same run."""
