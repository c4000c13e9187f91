"""Holding a live low-latency HLS stream to the rules of its specification: a walk over it, then rules over the walk."""
