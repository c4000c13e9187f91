"""Locust users; imported only in Locust processes."""
