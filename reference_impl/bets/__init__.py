"""Dealers and gateways: rounds and bets in real time."""
