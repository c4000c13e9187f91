"""The peer of ``bench loadgen``, in a folder of its own: Locust looks for modules beside its file before any others."""
