"""Clients in other languages and as packages of their own, against the real service."""
