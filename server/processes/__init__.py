"""How the processes of the service start, run and end."""
