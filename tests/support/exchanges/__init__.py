"""Stand-ins for exchanges: servers on loopback that speak an exchange's public protocol."""
