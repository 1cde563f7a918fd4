"""What names, labels and keys may look like, with the sentences an API server says about those that do not."""

from __future__ import annotations

import functools
import re

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
_SERVICE_LABEL = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = rf"({_QUALIFIED})?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
LABEL_LENGTH_MAX = 63
SUBDOMAIN_LENGTH_MAX = 253
_PORT_NAME_LENGTH_MAX = 15


def _regex_sentence(sentence: str, pattern: str, *examples: str) -> str:
    if not examples:
        return f"{sentence} (regex used for validation is '{pattern}')"
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{sentence} (e.g. {listed}regex used for validation is '{pattern}')"


def _max_length(limit: int, unit: str = "bytes") -> str:
    """Real servers count labels in bytes and names in characters; both are ASCII, so only the sentence differs."""
    return f"must be no more than {limit} {unit}"


def _matching(text: str, pattern: str) -> bool:
    return re.fullmatch(pattern, text) is not None


@functools.lru_cache(maxsize=4096)
def label_problems(text: str) -> tuple[str, ...]:
    """RFC 1123 label: the names of Services, containers and volumes."""
    problems = [_max_length(LABEL_LENGTH_MAX, "characters")] if len(text) > LABEL_LENGTH_MAX else []
    if not _matching(text, LABEL):
        sentence = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
            "and must start and end with an alphanumeric character"
        )
        problems.append(_regex_sentence(sentence, LABEL, "my-name", "123-abc"))
    return tuple(problems)


def namespace_problems(text: str) -> tuple[str, ...]:
    """The names of namespaces: labels, with a better word about dots."""
    return ("must not contain dots",) if "." in text else label_problems(text)


@functools.lru_cache(maxsize=4096)
def subdomain_problems(text: str) -> tuple[str, ...]:
    """RFC 1123 subdomain: the names of most objects."""
    problems = [_max_length(SUBDOMAIN_LENGTH_MAX, "characters")] if len(text) > SUBDOMAIN_LENGTH_MAX else []
    if not _matching(text, SUBDOMAIN):
        sentence = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        problems.append(_regex_sentence(sentence, SUBDOMAIN, "example.com"))
    return tuple(problems)


@functools.lru_cache(maxsize=4096)
def service_label_problems(text: str) -> tuple[str, ...]:
    """RFC 1035 label: the names of API versions and resources."""
    problems = [_max_length(LABEL_LENGTH_MAX, "characters")] if len(text) > LABEL_LENGTH_MAX else []
    if not _matching(text, _SERVICE_LABEL):
        sentence = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
            "start with an alphabetic character, and end with an alphanumeric character"
        )
        problems.append(_regex_sentence(sentence, _SERVICE_LABEL, "my-name", "abc-123"))
    return tuple(problems)


@functools.lru_cache(maxsize=4096)
def path_segment_problems(text: str) -> tuple[str, ...]:
    """The names of RBAC objects: anything that can stand in a URL path."""
    if text in (".", ".."):
        return (f"may not be '{text}'",)
    return tuple(f"may not contain '{one}'" for one in ("/", "%") if one in text)


@functools.lru_cache(maxsize=8192)
def qualified_name_problems(text: str, noun: str = "a qualified name") -> tuple[str, ...]:
    """The keys of labels and annotations: an optional DNS prefix and a name; `noun` is what a message calls them."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        sentence = (
            f"{noun} must consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
        text = _regex_sentence(sentence, _QUALIFIED, "MyName", "my.name", "123-abc")
        return (f"{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    problems: list[str] = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems.extend(f"prefix part {problem}" for problem in _prefix_problems(prefix))
    return (*problems, *_name_part_problems(name))


def _prefix_problems(prefix: str) -> list[str]:
    too_long = len(prefix) > SUBDOMAIN_LENGTH_MAX
    others = subdomain_problems(prefix)[too_long:]
    return [*([_max_length(SUBDOMAIN_LENGTH_MAX)] if too_long else []), *others]


def _name_part_problems(name: str) -> list[str]:
    problems = []
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > LABEL_LENGTH_MAX:
        problems.append(f"name part {_max_length(LABEL_LENGTH_MAX)}")
    if not _matching(name, _QUALIFIED):
        sentence = (
            "name part must consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
        problems.append(_regex_sentence(sentence, _QUALIFIED, "MyName", "my.name", "123-abc"))
    return problems


@functools.lru_cache(maxsize=8192)
def label_value_problems(text: str) -> tuple[str, ...]:
    """The values of labels."""
    problems = [_max_length(LABEL_LENGTH_MAX)] if len(text) > LABEL_LENGTH_MAX else []
    if not _matching(text, _LABEL_VALUE):
        sentence = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
        problems.append(_regex_sentence(sentence, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return tuple(problems)


@functools.lru_cache(maxsize=4096)
def env_name_problems(text: str) -> tuple[str, ...]:
    """The names of environment variables: anything printable without an equals sign."""
    if all(" " <= one <= "~" and one != "=" for one in text):
        return ()
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


@functools.lru_cache(maxsize=4096)
def config_key_problems(text: str) -> tuple[str, ...]:
    """The keys of ConfigMaps and Secrets."""
    problems = [_max_length(SUBDOMAIN_LENGTH_MAX, "characters")] if len(text) > SUBDOMAIN_LENGTH_MAX else []
    if not _matching(text, _CONFIG_KEY):
        sentence = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        problems.append(_regex_sentence(sentence, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return tuple(problems)


@functools.lru_cache(maxsize=4096)
def port_name_problems(text: str) -> tuple[str, ...]:
    """The names of container ports (IANA service names)."""
    problems = []
    if len(text) > _PORT_NAME_LENGTH_MAX:
        problems.append("must be no more than 15 characters")
    if not _matching(text, r"[-a-z0-9]+"):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text[:1] == "-" or text[-1:] == "-":
        problems.append("must not begin or end with a hyphen")
    return tuple(problems)
