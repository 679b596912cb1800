"""Tests that run inside a host of the lab, on its kernel; a test of the lab starts each file by its path."""
