"""The sections of `trafficRouting`, as the CRD describes them. Reading them is each router's own business."""

from __future__ import annotations

from rollouts.api.openapi import Schema, array, flag, mapping, number, obj, opaque, text, texts


def routers() -> dict[str, Schema]:
    """Schemas by JSON name."""
    return {
        "alb": _alb(),
        "ambassador": obj(
            "Ambassador.", {"mappings": texts("Names of the Mappings to copy for the canary.")}, required=["mappings"]
        ),
        "apisix": obj("Apache APISIX.", {"route": _apisix_route()}),
        "appMesh": _app_mesh(),
        "istio": _istio(),
        "nginx": _nginx(),
        "plugins": opaque("Configuration of router plugins by plugin name."),
        "smi": obj(
            "Service Mesh Interface.",
            {
                "rootService": text("Service that users reach; the stable one when unset."),
                "trafficSplitName": text("Name of the TrafficSplit; the rollout's name when unset."),
            },
        ),
        "traefik": obj(
            "Traefik.",
            {"weightedTraefikServiceName": text("Name of the weighted TraefikService.")},
            required=["weightedTraefikServiceName"],
        ),
    }


def _alb() -> Schema:
    stickiness = obj(
        "Keeps a user on one version.",
        {"enabled": flag("Whether to."), "durationSeconds": number("For how long, in seconds.", bits=64)},
        required=["durationSeconds", "enabled"],
    )
    return obj(
        "AWS Application Load Balancer.",
        {
            "annotationPrefix": text("Prefix of the ingress annotations; alb.ingress.kubernetes.io when unset."),
            "ingress": text("Name of the Ingress."),
            "ingresses": texts("Names of several Ingresses, in place of one."),
            "rootService": text("Service in the Ingress to split; the stable one when unset."),
            "servicePort": number("Port of the Services."),
            "stickinessConfig": stickiness,
        },
        required=["servicePort"],
    )


def _apisix_route() -> Schema:
    members = {"name": text("Name of the ApisixRoute."), "rules": texts("Names of its rules; all when unset.")}
    return obj("The route to split.", members, required=["name"])


def _app_mesh() -> Schema:
    def node(role: str) -> Schema:
        return obj(f"The VirtualNode of the {role} version.", {"name": text("Its name.")}, required=["name"])

    service = obj(
        "The VirtualService to split.",
        {"name": text("Its name."), "routes": texts("Names of its routes; all when unset.")},
        required=["name"],
    )
    nodes = obj(
        "The VirtualNodes to split between.",
        {"canaryVirtualNodeRef": node("canary"), "stableVirtualNodeRef": node("stable")},
        required=["canaryVirtualNodeRef", "stableVirtualNodeRef"],
    )
    return obj("AWS App Mesh.", {"virtualService": service, "virtualNodeGroup": nodes})


def _istio() -> Schema:
    rule = obj(
        "Splits by the subsets of a DestinationRule.",
        {
            "name": text("Name of the DestinationRule."),
            "canarySubsetName": text("Subset of the canary."),
            "stableSubsetName": text("Subset of the stable version."),
            "additionalSubsetNames": texts("Subsets that also follow the stable version."),
        },
        required=["canarySubsetName", "name", "stableSubsetName"],
    )
    return obj(
        "Istio.",
        {
            "virtualService": _virtual_service("The VirtualService to split."),
            "virtualServices": array(_virtual_service(""), "Several VirtualServices, in place of one."),
            "destinationRule": rule,
        },
    )


def _virtual_service(description: str) -> Schema:
    port = {"port": number("Port of the route.", bits=64)}
    return obj(
        description,
        {
            "name": text("Name, or name.namespace."),
            "routes": texts("Names of its HTTP routes; may be left out when there is one."),
            "tcpRoutes": array(obj("", port), "Its TCP routes."),
            "tlsRoutes": array(obj("", {**port, "sniHosts": texts("SNI hosts of the route.")}), "Its TLS routes."),
        },
        required=["name"],
    )


def _nginx() -> Schema:
    return obj(
        "Ingress-NGINX.",
        {
            "annotationPrefix": text("Prefix of the ingress annotations; nginx.ingress.kubernetes.io when unset."),
            "stableIngress": text("Name of the Ingress of the stable version."),
            "stableIngresses": texts("Names of several Ingresses, in place of one."),
            "additionalIngressAnnotations": mapping("Annotations for the canary Ingress, without the prefix."),
            "canaryIngressAnnotations": mapping("Annotations for the canary Ingress, as they are."),
        },
    )
