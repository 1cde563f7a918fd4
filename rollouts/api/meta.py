"""Object metadata: the part of Kubernetes' ObjectMeta that the controller reads, and names of objects.

Writing metadata is never done from these types (patches name what they change), so everything else is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from rollouts.api.fields import Doc

GROUP = "argoproj.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

POD_HASH_LABEL = "rollouts-pod-template-hash"
"""The label that tells the pods of one version from those of another; only the controller sets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerReference:
    """The object that owns another; garbage collection follows it."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeta:
    """Identity, age, labels and owners of an object; `resource_version` is opaque."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int | None = None
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def controller(self) -> OwnerReference | None:
        """The one owner that manages this object, if any."""
        return next((owner for owner in self.owner_references if owner.controller), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataPatch:
    """Labels and annotations to put on objects the controller makes."""

    labels: Annotated[Mapping[str, str], Doc("Labels to add.")] = field(default_factory=dict)
    annotations: Annotated[Mapping[str, str], Doc("Annotations to add.")] = field(default_factory=dict)
