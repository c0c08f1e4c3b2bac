"""A gRPC client that speaks HTTP: the contract over REST, read off its descriptors."""
