"""The report: one page about an account, with charts."""
