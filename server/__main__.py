"""`python -m server` is the command `bottrading`."""

from server.cli import main

main()
