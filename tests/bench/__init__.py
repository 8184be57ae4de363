"""Measurements, not tests: `make bench` prints them as ratios of one run."""
