"""Load campaigns that drive a real system."""
