"""The audit of a database: compares stored data with the accounts' logs."""
