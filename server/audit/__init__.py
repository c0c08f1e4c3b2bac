"""The audit of a database: what is stored, held against the accounts' logs."""
