"""A million people and what balances them, second by second: the leanest model that can answer for a policy.

Everybody is a row: a table, a gateway, an edge, when last moved. Each is placed and moved one at a time by the very
rules of :mod:`reference_impl.domain.balancing` that the real balancer carries out. What is *not* carried out one at a
time is work: in each second a place has the work that its sessions' rounds ask for, and how long it takes follows from
queueing formulas (:mod:`sim.balancing.serving`), not from queues.

Assumptions
-----------
* One balancer sees reports that are a second old, and knows at once what it placed itself.
* Bets of a session follow its table's clock as :class:`reference_impl.domain.bets.BetTiming` says, by their means.
* A session that is moved is at its new place within the second; opening it costs the new place what accepting costs.
* Behind the gateways nothing is scarce: wallets are not part of the question.
"""
