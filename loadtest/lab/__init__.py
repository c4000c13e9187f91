"""The lab beside a running system: what operators start from the control room, campaigns and faults."""
