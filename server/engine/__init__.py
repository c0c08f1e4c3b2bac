"""The engine: the process that decides and writes, and its client for the front."""
