"""Who is sent where, and who is moved: pure rules that the real balancer and the simulation both carry out.

========================  ============================================================================================
module                    what it answers
========================  ============================================================================================
:mod:`.ordering`          in which order does a key prefer the places: rendezvous hashing, consistent-hash ring
:mod:`.choosing`          which of the candidates: one rule a policy, compiled by the simulation
:mod:`.signals`           what a report is worth: speed, slow start, trust, hot or not
:mod:`.usual`             what is a place usually late, and what does a unit of work cost it beside that
:mod:`.heat`              what a table will ask for in its coming phase, from its earlier rounds
:mod:`.moves`             which sessions are shifted, from where to where
:mod:`.policies`          policies by name; the decision record and its replay
:mod:`.fleet`             what is known of all places of one kind: one state value in, one out
========================  ============================================================================================

A *place* is a gateway or an edge. *Load* is what its sessions ask for, in sessions of average heat; *weight* is what it
is fit for, 1 for a healthy one. *Cost* is load over weight: what balancing levels.
"""
