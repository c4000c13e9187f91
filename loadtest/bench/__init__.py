"""Benches: ours and a peer alternate in one run on one machine."""
