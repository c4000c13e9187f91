"""The rules of a live table, as pure code.

Everything here is a function of its arguments: no clock, no randomness, no input or output. The services carry
these rules out on asyncio and PostgreSQL; the simulation carries the same rules out in simulated time.
"""
