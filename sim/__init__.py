"""The discrete-event simulation of a live-table system."""
