"""The engines that are compared.

Junto is a program of its own (`junto.py`). Each peer (`peers.py`) runs in a process of its own (`worker.py`), which this
side talks to (`remote.py`), so that one can be stopped or crash without the others.
"""
