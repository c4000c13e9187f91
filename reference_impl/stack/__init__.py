"""The only place that wires: configuration, embedded servers, supervisor."""
