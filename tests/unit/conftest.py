"""What Hypothesis does here: the same examples each time, however slow this machine is at the moment.

A test run tells whether a change is good, so it must not end otherwise when it is repeated. To look for new examples:
`pytest --hypothesis-profile=search`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "search", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.register_profile("steady", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("steady")
