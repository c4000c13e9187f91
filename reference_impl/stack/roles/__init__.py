"""What each kind of process runs: a module a kind, named like it, with ``build(node)``.

A process imports the module of its own kind only: an encoder has no use for a web framework, and the time until a
system serves is mostly imports.
"""
