"""The rules of trading as pure code, without input, output, clock, randomness, proto or SQL."""
