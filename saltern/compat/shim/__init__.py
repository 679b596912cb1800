"""What Salt-style code gets for `import salt`: a few small modules under Salt's names, written anew for Saltern."""

from __future__ import annotations

from saltern.compat.late import late

__getattr__ = late(__name__)
