"""Pytest plugin of limosa.testing."""
