"""The table of calls: one row for each method of the contract, and for each internal call."""
