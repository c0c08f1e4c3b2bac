"""Tests of the audit of a database."""
