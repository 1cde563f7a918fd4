"""How hard laws and twins are tried: the same examples every time, unless `--hypothesis-profile` says otherwise.

This is said here and not beside the laws, because a test keeps the settings in force when it is first imported.
`deep` plays thirty times as many, and others every time; `unshrunk` shows a failure at once, before it is made small.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

COMMON = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
}
settings.register_profile("laws", max_examples=20, derandomize=True, **COMMON)  # type: ignore[arg-type]
settings.register_profile("deep", max_examples=600, **COMMON)  # type: ignore[arg-type]
FOUND = (Phase.explicit, Phase.reuse, Phase.generate)
settings.register_profile("unshrunk", max_examples=300, phases=FOUND, **COMMON)  # type: ignore[arg-type]
settings.load_profile("laws")
