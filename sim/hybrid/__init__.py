"""The simulation for crowds: shared and scarce things are SimPy processes, players are rows of compiled kernels."""
