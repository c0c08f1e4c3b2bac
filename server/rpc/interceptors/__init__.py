"""The interceptors of the chain, one file each; `server.py` puts them in order."""
