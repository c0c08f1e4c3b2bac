"""Tests of guarantees that must hold whatever fails."""
