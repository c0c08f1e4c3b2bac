"""Tests of what must hold whatever breaks."""
