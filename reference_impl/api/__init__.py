"""HTTP: log-in, lobby, placement, administration."""
