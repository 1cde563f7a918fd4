"""A real Prometheus: found, or fetched with apt into the virtual environment, and started on the demo's pods.

It scrapes every pod each second and finds them in a file that follows the cluster: Debian's Prometheus is built without
discovery through the API. Fetching leaves the machine alone: the package is downloaded and unpacked, not installed, so
that no service starts and no rights are needed beyond those to read the package lists. What is asked of it is the
controller's business.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

import aiohttp
import yaml

from rollouts.demo.processes import Child, ChildEnded, Processes, free_port, last_lines

SCRAPE_INTERVAL = "1s"
READY_SECONDS_MAX = 60.0
HOW_TO_INSTALL = (
    "Prometheus is needed and was not found: install it so that `prometheus` is on the PATH\n"
    "(Debian, Ubuntu: apt-get install prometheus; macOS: brew install prometheus; all: prometheus.io/download)"
)


class PrometheusMissing(Exception):
    """There is no Prometheus and none can be had; the text says what to do."""


def find() -> Path | None:
    """The program on the PATH, or the one that was fetched before; None when there is neither."""
    found = shutil.which("prometheus") or shutil.which("prometheus", path=str(_own_folder()))
    return Path(found) if found else None


def find_or_hope() -> Path | None:
    """The program, or None when apt may be able to fetch it. Raises PrometheusMissing when there is no way to it."""
    found = find()
    is_own_place = sys.prefix != sys.base_prefix  # only a virtual environment is ours to put programs into
    if found is None and not (is_own_place and shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PrometheusMissing(HOW_TO_INSTALL)
    return found


async def find_or_fetch() -> Path:
    """The program; fetched with apt when it is missing. Raises PrometheusMissing."""
    found = find_or_hope()
    if found is not None:
        return found
    with tempfile.TemporaryDirectory() as folder:
        return await _fetch(Path(folder))


async def _fetch(folder: Path) -> Path:
    """Download and unpack the package; from it only the program is kept."""
    problem = await _run("apt-get", "download", "prometheus", folder=folder)
    if problem and os.geteuid() == 0:  # a fresh machine has no package lists yet
        await _run("apt-get", "update", "--quiet", folder=folder)
        problem = await _run("apt-get", "download", "prometheus", folder=folder)
    for package in _packages(folder):
        problem = await _run("dpkg-deb", "--extract", package.name, "unpacked", folder=folder)
    program = folder / "unpacked/usr/bin/prometheus"
    problem = problem or await _run(str(program), "--version", folder=folder)
    if problem:
        raise PrometheusMissing(f"{HOW_TO_INSTALL}\napt could not fetch it: {problem}")
    wanted = _own_folder() / "prometheus"
    coming = wanted.with_name(f"prometheus.{os.getpid()}")  # two demos may fetch at once
    shutil.copy2(program, coming)
    coming.rename(wanted)
    return wanted


def _packages(folder: Path) -> list[Path]:
    return list(folder.glob("prometheus_*.deb"))


async def _run(*command: str, folder: Path) -> str:
    """Run a command to its end; what it complained about when it failed, else nothing."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        return str(error)
    _, complaint = await process.communicate()
    if process.returncode == 0:
        return ""
    return complaint.decode(errors="replace").strip() or f"{command[0]} ended with code {process.returncode}"


def _own_folder() -> Path:
    return Path(sys.prefix) / "bin"


async def start(processes: Processes, program: Path, *, folder: Path) -> str:
    """Start it with its files in `folder`, on the pods that `targets(folder)` lists; its URL, when it answers.

    Raises ChildEnded when it ends, TimeoutError when it does not answer in time.
    """
    path = _configured(folder, configuration(targets(folder)))
    url = f"http://127.0.0.1:{free_port()}"
    command = (
        str(program),
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
    )
    child = await processes.start("prometheus", command)
    await _until_ready(child, url)
    return url


def _configured(folder: Path, document: dict[str, object]) -> Path:
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def targets(folder: Path) -> Path:
    """The file that says which pods to scrape."""
    return folder / "pods.json"


def configuration(pods: Path) -> dict[str, object]:
    """Scrape the pods that a file lists."""
    return {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": SCRAPE_INTERVAL},
        "scrape_configs": [{"job_name": "pods", "file_sd_configs": [{"files": [str(pods)]}]}],
    }


async def _until_ready(child: Child, url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS_MAX):
        while not await _is_ready(session, url):
            if child.process.returncode is not None:
                raise ChildEnded(f"prometheus ended with code {child.process.returncode}\n{last_lines(child.log)}")
            await asyncio.sleep(0.1)


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:  # not listening yet
        return False
