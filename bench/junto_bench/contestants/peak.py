"""Runs a command and notes the most memory it had resident: `python peak.py FILE COMMAND…`.

A process of its own and small, because a child inherits the peak of the process that started it.
"""

import os
import subprocess
import sys

BYTES_PER_UNIT = 1024

if __name__ == "__main__":
    child = subprocess.Popen(sys.argv[2:])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    with open(sys.argv[1], "w", encoding="ascii") as note:
        note.write(str(usage.ru_maxrss * BYTES_PER_UNIT))
    sys.exit(child.returncode if child.returncode >= 0 else 128 - child.returncode)
