"""Jobs in several processes: any order, nothing lost, a process that dies costs its own job alone."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stvg.engines import Lost, Processes, call_pickled, local_engine
from stvg.errors import InputError

WORK = '''
"""Work for the processes: they import it, as they cannot import a test."""
import os, signal
from dataclasses import dataclass
from pathlib import Path
