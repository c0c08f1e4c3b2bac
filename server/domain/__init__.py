"""The rules of trading as pure code: no input or output, clock, chance, proto or SQL."""
