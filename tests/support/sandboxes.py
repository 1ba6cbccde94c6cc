"""Sandboxes for tests, where this machine gives them."""

import os
import subprocess

import pytest

MEMORY_MIB = 256
LONG = 30.0
"""seconds for what takes a fraction of one, on a machine that others use too"""
LOOP = "while True: pass"

_NAMESPACES = ["unshare", *(["--user"] if os.geteuid() else []), "--mount", "--pid", "--net", "--ipc", "--fork", "true"]
SHUT_OFF = subprocess.run(_NAMESPACES, capture_output=True, check=False).returncode == 0
needs_sandbox = pytest.mark.skipif(not SHUT_OFF, reason="this machine lets its user make no namespaces")
