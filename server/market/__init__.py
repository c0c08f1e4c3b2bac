"""What the venue trades and at which quotes: the universe, the quote sources and the sessions."""
