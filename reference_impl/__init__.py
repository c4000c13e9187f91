"""A complete live-table system: streaming, bets, wallet, balancer."""
