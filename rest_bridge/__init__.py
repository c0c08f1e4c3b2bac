"""The REST bridge: serves the contract over HTTP and calls the server over gRPC."""
