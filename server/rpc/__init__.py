"""gRPC delivery: the only place that knows status codes."""
