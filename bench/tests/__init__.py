"""Tests of what the bench computes: `python3 -m unittest discover -s bench -t bench`. They need no packages."""
