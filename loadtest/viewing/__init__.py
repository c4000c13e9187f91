"""What a headless viewer decides: pure of sockets, so that every rule can be tried without one."""
