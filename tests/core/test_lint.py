"""Lint finds every problem, says where it is, and survives any file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from rollouts.ctl.lint import lint

GOOD = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: web
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80}]
  strategy:
    canary:
      canaryService: canary
      steps:
      - setWeight: 20
      - analysis:
          templates: [{templateName: rate}]
          args: [{name: service, value: web}]
      - pause: {duration: 10m}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: rate}
spec:
  args: [{name: service}]
  metrics:
  - name: rate
    interval: 10s
    count: 3
    successCondition: result[0] >= 0.95
    provider:
      prometheus: {address: http://prometheus, query: 'up{service="{{args.service}}"}'}
---
apiVersion: v1
kind: Service
metadata: {name: canary}
spec: {selector: {app: web}}
"""


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return Report(tmp_path)


class Report:
    """Lints texts as files and gives the lines of the report, without the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, *texts: str | bytes) -> list[str]:
        paths = []
        for number, text in enumerate(texts):
            path = self._folder / f"{number}.yaml"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            paths.append(str(path))
        out = io.StringIO()
        code = lint(paths, out)
        lines = out.getvalue().replace(f"{self._folder}/", "").splitlines()
        assert code == (1 if lines else 0)
        return lines


def test_good_files_have_no_problems(report: Report) -> None:
    assert report.of(GOOD) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "setWeight: 20",
            "setWeight: 120",
            "0.yaml:20: spec.strategy.canary.steps[0].setWeight: Invalid value: 120: "
            "SetWeight needs to be between 0 and 100",
        ),
        (
            "setWeight: 20",
            "setWieght: 20",
            '0.yaml:20: spec.strategy.canary.steps[0].setWieght: Unknown field: did you mean "setWeight"?',
        ),
        (
            "duration: 10m",
            "duration: soon",
            "0.yaml:24: spec.strategy.canary.steps[2].pause.duration: Invalid value: -1: "
            "Duration needs to be greater than 0",
        ),
        ("replicas: 3", "replicas: many", "0.yaml:6: spec.replicas: Malformed value: must be an integer, not 'many'"),
        (
            "image: web:1",
            "imgae: web:1",
            '0.yaml:14: spec.template.spec.containers[0].imgae: Unknown field: did you mean "image"?',
        ),
        (
            "labels: {app: web}",
            "labels: {app: x}",
            '0.yaml:10: spec.template.metadata.labels: Invalid value: {"app":"x"}: '
            "`selector` does not match template `labels`",
        ),
        ("name: web\n", "labels: {}\n", "0.yaml:3: metadata.name: Required value"),
        (
            "name: web\n",
            f"name: {'w' * 254}\n",
            f'0.yaml:4: metadata.name: Invalid value: "{"w" * 254}": must be no more than 253 characters',
        ),
        (
            "name: web\n",
            "name: Wéb\n",
            '0.yaml:4: metadata.name: Invalid value: "Wéb": a lowercase RFC 1123 subdomain must consist of lower case '
            "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
            "'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
        (
            "count: 3",
            "count: 3\n    failureLimit: 4",
            "0.yaml:34: spec.metrics[0].count: Invalid: metrics[0]: count (3) must be >= failureLimit + "
            "consecutiveSuccessLimit (4 + 0) if both >= 0",
        ),
        (
            "query: ",
            "qeury: ",
            '0.yaml:37: spec.metrics[0].provider.prometheus.qeury: Unknown field: did you mean "query"?',
        ),
        (
            "{{args.service}}",
            "{{args.app}}",
            '0.yaml:32: spec.metrics[0]: Invalid value: "{{args.app}}": '
            'the argument "app" is not declared in spec.args',
        ),
        (
            "args: [{name: service, value: web}]",
            "args: []",
            '0.yaml:22: spec.strategy.canary.steps[1].analysis.templates: Invalid value: "templateNames: [rate]": '
            "args.service was not resolved",
        ),
        (
            "selector: {app: web}}",
            "selector: {app: other}}",
            '0.yaml:18: spec.strategy.canary.canaryService: Invalid value: "canary": Service "canary" '
            'has unmatch label "app" in rollout',
        ),
        ("argoproj.io/v1alpha1", "argoproj.io/v1", "0.yaml:1: apiVersion: must be argoproj.io/v1alpha1"),
    ],
)
def test_a_problem_has_file_line_path_and_words(report: Report, before: str, after: str, expected: str) -> None:
    assert before in GOOD
    assert expected in report.of(GOOD.replace(before, after, 1))


def test_every_problem_is_reported(report: Report) -> None:
    """Also over several files; the order is that of files and lines."""
    one = GOOD.replace("setWeight: 20", "setWeight: 120").replace("replicas: 3", "replicas: -1")
    two = "apiVersion: argoproj.io/v1alpha1\nkind: Experiment\nmetadata: {name: e}\nspec: {templates: [{name: a}]}\n"
    lines = report.of(one, two)
    assert [line.split(" ")[0] for line in lines] == ["0.yaml:6:", "0.yaml:20:", "1.yaml:4:"]


def test_objects_of_a_list_are_checked(report: Report) -> None:
    indented = "\n".join(f"  {line}" for line in GOOD.split("---")[0].splitlines())
    text = "apiVersion: v1\nkind: List\nitems:\n-" + indented[1:].replace("setWeight: 20", "setWeight: 120")
    (line,) = report.of(text)
    assert line.startswith("0.yaml:23: spec.strategy.canary.steps[0].setWeight: Invalid value: 120")


def test_other_objects_are_passed_over(report: Report) -> None:
    """Also Argo CD's, which are of the same API group."""
    assert report.of("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\n") == []
    assert report.of("apiVersion: apps/v1\nkind: Deployment\nspec: 3\n", "# only a comment\n", "---\n---\n") == []


def test_what_is_not_in_the_files_may_be_in_the_cluster(report: Report) -> None:
    assert report.of(GOOD.split("---")[0]) == []


def test_a_name_that_many_files_define_says_nothing(report: Report) -> None:
    """A folder of independent stories is linted as such; what stands in the same file counts first."""
    other = "apiVersion: v1\nkind: Service\nmetadata: {name: canary}\nspec: {selector: {app: other}}\n"
    alone = GOOD.split("---")[0]
    assert report.of(GOOD, other) == []
    assert report.of(alone, other, other) == []
    (line,) = report.of(alone, other)
    assert "has unmatch label" in line


def test_a_missing_file_is_a_problem() -> None:
    out = io.StringIO()
    assert lint(["/no/such/file.yaml"], out) == 1
    assert out.getvalue() == "/no/such/file.yaml:1: cannot be read: No such file or directory\n"


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2", "0.yaml:1: not YAML"),
        ("a: 1\n\tb: 2", "0.yaml:2: not YAML"),
        (b"\xff\xfe\x00", "0.yaml:1: the file is not UTF-8 text"),
        ("a: \x00", "0.yaml:1: not YAML"),
        (LAUGHS, "more than 200000 values in one document"),
        ("a: &a [*a]", "an alias refers to what it is part of"),
        ("a: &a {<<: *a}", "an alias refers to what it is part of"),
        ("[" * 300 + "]" * 300, "nested"),
        ("[" * 30_000, "nested too deeply"),
        ("a: 1\na: 2\n", '0.yaml:2: the field "a" is given twice'),
        ("? [a]\n: 1\n", "a field's name must be text"),
        ("- 1\n", "0.yaml:1: must be an object"),
        ("just text", "0.yaml:1: must be an object"),
        ("a: !!python/object/apply:os.system [true]\nkind: A\napiVersion: b", ""),
        ("a: !!int x\nkind: A\napiVersion: b", "0.yaml:1: cannot be read"),
        ("kind: Rollout\n", "must have an apiVersion and a kind"),
        ("kind: [Rollout]\napiVersion: {}\n", ""),
        ("kind: List\nitems: [3]\napiVersion: v1\n", "0.yaml:2: must be an object"),
    ],
)
def test_a_hostile_file_is_a_problem_and_no_crash(report: Report, text: str | bytes, expected: str) -> None:
    lines = report.of(text)
    assert any(expected in line for line in lines) or not expected
    assert "Traceback" not in "".join(lines)


HOSTILE_SPECS = [
    "spec: 3",
    "spec: [1]",
    "spec: {strategy: {canary: {steps: {a: b}}}}",
    "spec: {strategy: {canary: [], blueGreen: 3}}",
    "spec: {strategy: {canary: {trafficRouting: {alb: 3, plugins: [], managedRoutes: 5}, pingPong: {}}}}",
    "spec: {template: {metadata: {labels: [a]}, spec: {containers: [3, {name: 5, env: x, ports: [{}]}], volumes: 9}}}",
    "spec: {selector: {matchLabels: [], matchExpressions: [3, {key: 5, operator: [], values: {}}]}}",
    "spec: {metrics: [3, {name: [], provider: 3, interval: {}, count: []}], args: 3, dryRun: [{metricName: '*'}]}",
    "spec: {templates: [3, {selector: 5}, {template: 3}], analyses: 3}",
    "spec: {strategy: {canary: {steps: [3, null, {setWeight: {}}, {setHeaderRoute: {match: [3]}}, {analysis: []}]}}}",
    "spec: {restartAt: 2026-99-99, replicas: 99999999999999999999, minReadySeconds: .inf}",
    "metadata: {name: {}, labels: 3, ownerReferences: [3]}\nspec: {}",
]


@pytest.mark.parametrize("body", HOSTILE_SPECS)
@pytest.mark.parametrize(
    "kind", ["Rollout", "AnalysisRun", "AnalysisTemplate", "ClusterAnalysisTemplate", "Experiment"]
)
def test_a_hostile_object_is_a_problem_and_no_crash(report: Report, kind: str, body: str) -> None:
    assert report.of(f"apiVersion: argoproj.io/v1alpha1\nkind: {kind}\n{body}\n")


def test_scalars_are_read_as_a_cluster_reads_them(report: Report) -> None:
    """Times and clock times are text, so an argument's value may look like one; a number may not."""
    argument = "args: [{name: service, value: %s}]"
    for fine in ("2026-01-01", "12:30:45", "1.2.3", "'1'"):
        assert report.of(GOOD.replace(argument % "web", argument % fine)) == []
    for wrong in ("1", "true", "1.5", "0x1F"):
        (line,) = report.of(GOOD.replace(argument % "web", argument % wrong))
        assert "args[0].value: Malformed value: must be a string" in line


def test_anchors_and_merges_work(report: Report) -> None:
    merged = GOOD.replace("{matchLabels: {app: web}}", "{matchLabels: &labels {app: web}}")
    assert report.of(merged.replace("labels: {app: web}", "labels: {<<: *labels, tier: front}", 1)) == []
    template, service = report.of(merged.replace("labels: {app: web}", "labels: {<<: *labels, app: x}", 1))
    assert template.startswith('0.yaml:10: spec.template.metadata.labels: Invalid value: {"app":"x"}')
    assert "has unmatch label" in service


@pytest.mark.parametrize(
    ("condition", "why"),
    [("result[0] >=", "unexpected"), ("rate > 1", "unknown name rate"), ("result.foo(", "")],
)
def test_conditions_must_be_readable(report: Report, condition: str, why: str) -> None:
    """What could hold for no result at all is a problem before anything is measured."""
    template = GOOD.split("---\n")[1]
    (line,) = report.of(template.replace("result[0] >= 0.95", condition))
    assert line.startswith(f'0.yaml:10: spec.metrics[0].successCondition: Invalid value: "{condition}": ')
    assert why in line


def test_conditions_with_arguments_are_read_when_these_are_known(report: Report) -> None:
    """A placeholder may stand for any part of a condition."""
    template = GOOD.split("---\n")[1]
    assert report.of(template.replace("result[0] >= 0.95", "result[0] {{args.service}}")) == []


def test_every_example_is_good(report: Report) -> None:
    """What people copy from has no problems, whatever folder it is in."""
    files = sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))
    assert files
    assert report.of(*(path.read_text() for path in files)) == []


@pytest.mark.parametrize(("kind", "meant"), [("Rollot", "Rollout"), ("rollout", "Rollout")])
def test_a_misspelt_kind_is_a_problem(report: Report, kind: str, meant: str) -> None:
    """The API server would not know it either."""
    lines = report.of(GOOD.replace("kind: Rollout", f"kind: {kind}"))
    assert lines == [f'0.yaml:2: kind: Unknown kind: did you mean "{meant}"?']


@pytest.mark.parametrize("kind", ["Application", "WorkflowTemplate", "ClusterWorkflowTemplate", "RolloutManager"])
def test_other_programs_kinds_are_passed_over(report: Report, kind: str) -> None:
    """They share the group."""
    assert report.of(f"apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nmetadata: {{name: a}}\n") == []
