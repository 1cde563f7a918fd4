"""The sections of a metric's `provider`, as the CRDs describe them. Reading them is each provider's own business.

Numbers that measurements depend on stay what they are in manifests written for this API: mostly strings, because a
placeholder such as `{{args.address}}` may stand anywhere in a string.
"""

from __future__ import annotations

from rollouts.api.openapi import Schema, array, flag, int_or_text, mapping, number, obj, opaque, text, texts

_AGGREGATORS = ["avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"]


def providers() -> Schema:
    """The schema of `provider`."""
    asked_by_address = {"address": text("URL of the server."), "query": text("What to ask.")}
    return obj(
        "The backend to ask; exactly one.",
        {
            "cloudWatch": _cloud_watch(),
            "datadog": _datadog(),
            "graphite": obj("Graphite.", asked_by_address),
            "influxdb": obj(
                "InfluxDB.",
                {"profile": text("Secret with address and token (default influxdb)."), "query": text("Flux query.")},
            ),
            "job": _job(),
            "kayenta": _kayenta(),
            "newRelic": obj(
                "New Relic.",
                {
                    "profile": text("Secret with key and account (default newrelic)."),
                    "query": text("NRQL query."),
                    "timeout": number("Seconds to wait (default 5).", bits=64),
                },
                required=["query"],
            ),
            "plugin": opaque("Configuration of a provider plugin by plugin name."),
            "prometheus": _prometheus(),
            "skywalking": obj(
                "Apache SkyWalking.", {**asked_by_address, "interval": text("Time range to ask for, as 5m.")}
            ),
            "wavefront": obj("Wavefront.", asked_by_address),
            "web": _web(),
        },
    )


def _headers() -> Schema:
    header = obj("", {"key": text("Name."), "value": text("Value.")}, required=["key", "value"])
    return array(header, "HTTP headers to send.")


def _authentication() -> Schema:
    return obj(
        "How to log in.",
        {
            "basicAuth": obj(
                "User name and password.", {"username": text("User name."), "password": text("Password.")}
            ),
            "oauth2": obj(
                "OAuth 2.0 client credentials.",
                {
                    "tokenUrl": text("Where to get a token."),
                    "clientId": text("Client."),
                    "clientSecret": text("Its secret."),
                    "scopes": texts("Scopes to ask for."),
                },
            ),
            "sigv4": obj(
                "AWS signature version 4.",
                {
                    "region": text("AWS region."),
                    "profile": text("AWS profile."),
                    "roleArn": text("Role to assume."),
                },
            ),
        },
    )


def _prometheus() -> Schema:
    span = obj(
        "Asks for a range in place of a moment; start and end are expressions.",
        {
            "start": text("For example now() - duration('5m')."),
            "end": text("For example now()."),
            "step": text("Time between samples, as 30s."),
        },
    )
    return obj(
        "Prometheus.",
        {
            "address": text("URL of the server."),
            "query": text("PromQL query."),
            "rangeQuery": span,
            "timeout": number("Seconds to wait (default 30).", bits=64),
            "insecure": flag("Whether to skip verification of the server's certificate."),
            "headers": _headers(),
            "authentication": _authentication(),
        },
    )


def _web() -> Schema:
    return obj(
        "Any HTTP endpoint that answers JSON.",
        {
            "method": text("GET, POST or PUT (default GET)."),
            "url": text("Where to ask."),
            "headers": _headers(),
            "body": text("Body to send, as it is."),
            "jsonBody": opaque("Body to send, as JSON."),
            "timeoutSeconds": number("Seconds to wait (default 10).", bits=64),
            "jsonPath": text("Which part of the answer to use (default all of it)."),
            "insecure": flag("Whether to skip verification of the server's certificate."),
            "authentication": _authentication(),
        },
        required=["url"],
    )


def _job() -> Schema:
    metadata = obj(
        "Labels and annotations of the Job.", {"labels": mapping("Labels."), "annotations": mapping("Annotations.")}
    )
    spec = opaque("Spec of the Job; the API server checks it when the Job is made.")
    return obj("A Kubernetes Job that must complete.", {"metadata": metadata, "spec": spec}, required=["spec"])


def _datadog() -> Schema:
    secret = obj(
        "Secret with keys and address.",
        {"name": text("Name."), "namespaced": flag("Whether it is in the run's namespace.")},
    )
    return obj(
        "Datadog.",
        {
            "apiVersion": text("Version of the API.", enum=["v1", "v2"], default="v1"),
            "interval": text("Time range to ask for.", default="5m"),
            "query": text("Query."),
            "queries": mapping("Named queries, with formula."),
            "formula": text("Formula over the named queries."),
            "aggregator": text("How to make one number of a series.", enum=_AGGREGATORS),
            "secretRef": secret,
            "requestTimeout": text("Time to wait.", default="10s"),
        },
    )


def _cloud_watch() -> Schema:
    dimension = obj("", {"name": text("Name."), "value": text("Value.")})
    metric = obj(
        "The metric.",
        {
            "namespace": text("Namespace."),
            "metricName": text("Name."),
            "dimensions": array(dimension, "Dimensions."),
        },
    )
    stat = obj(
        "A statistic of one metric.",
        {"metric": metric, "period": int_or_text("Seconds."), "stat": text("Statistic."), "unit": text("Unit.")},
    )
    query = obj(
        "",
        {
            "id": text("Unique short name."),
            "expression": text("Math expression."),
            "label": text("Label of the result."),
            "metricStat": stat,
            "period": int_or_text("Seconds."),
            "returnData": flag("Whether the result is used."),
        },
    )
    return obj(
        "Amazon CloudWatch.",
        {"interval": text("Time range to ask for; 5m."), "metricDataQueries": array(query, "Queries.")},
        required=["metricDataQueries"],
    )


def _kayenta() -> Schema:
    def scope(description: str) -> Schema:
        members = {
            "scope": text("Scope."),
            "region": text("Region."),
            "step": number("Seconds between samples.", bits=64),
            "start": text("Start time."),
            "end": text("End time."),
        }
        return obj(description, members, required=["region", "scope", "step"])

    names = {
        "address": "URL of the server.",
        "application": "Application.",
        "canaryConfigName": "Name of the canary configuration.",
        "configurationAccountName": "Account that holds the configuration.",
        "metricsAccountName": "Account that holds the metrics.",
        "storageAccountName": "Account that holds the results.",
    }
    threshold = obj(
        "Scores to reach.",
        {"pass": number("Success from here.", bits=64), "marginal": number("Inconclusive from here.", bits=64)},
        required=["marginal", "pass"],
    )
    scopes = array(
        obj(
            "",
            {
                "name": text("Name."),
                "controlScope": scope("The old version."),
                "experimentScope": scope("The new version."),
            },
            required=["controlScope", "experimentScope", "name"],
        ),
        "What to compare.",
    )
    members: dict[str, Schema] = {name: text(words) for name, words in names.items()}
    return obj(
        "Spinnaker's Kayenta.",
        {**members, "threshold": threshold, "scopes": scopes, "lookback": flag("Whether to compare the whole time.")},
        required=[*names, "threshold", "scopes"],
    )
