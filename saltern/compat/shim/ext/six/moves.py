"""What `six.moves` has of Python 3 itself."""

from __future__ import annotations

import builtins
import configparser
import queue
from functools import reduce
from io import StringIO
from itertools import zip_longest

__all__ = ["StringIO", "configparser", "filter", "input", "map", "queue", "range", "reduce", "zip", "zip_longest"]

range, zip, map, filter, input = builtins.range, builtins.zip, builtins.map, builtins.filter, builtins.input
