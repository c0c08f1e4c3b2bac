"""What tests share: venues, clients, clocks."""
