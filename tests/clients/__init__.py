"""Clients in other languages and as separate packages, against the real service."""
