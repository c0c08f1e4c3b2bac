"""The report: one page about an account, for people who would rather look than read."""
