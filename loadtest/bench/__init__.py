"""Benches: ours and a peer, alternating in one run on one machine."""
