"""BotTrading's server: a paper-trading venue behind a gRPC contract."""
