"""How hard the laws are tried: `--hypothesis-profile deep` plays 80 times as many."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

COMMON = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
}
settings.register_profile("laws", max_examples=60, **COMMON)  # type: ignore[arg-type]
settings.register_profile("deep", max_examples=5000, **COMMON)  # type: ignore[arg-type]
settings.load_profile("laws")
