"""``make bench-data``: fetching from a store of objects on this machine, against rclone and the AWS command line.

Every fetch is a whole program, from its start to its end. They take turns, so that what else the machine does meets all
of them. The store is versitygw over a folder: S3, without a network between.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import click

from bench.builds.copies import run, say
from bench.serving.prepare import STATE
from bench.serving.servers import ROOT

KEYS = {"ROOT_ACCESS_KEY": "bench", "ROOT_SECRET_KEY": secrets.token_hex(16)}
BUCKET = "data"
CLIENT = {
    "AWS_ACCESS_KEY_ID": KEYS["ROOT_ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": KEYS["ROOT_SECRET_KEY"],
    "AWS_DEFAULT_REGION": "us-east-1",
}  # fmt: skip
OURS = "trainyard"
FACTOR, UNCHANGED, MEMORY = 1.2, 1.0, 300  # of the fastest peer; seconds; MB


@dataclass(frozen=True)
class Tool:
    """A program that copies a folder of the bucket into a folder here; ``again``: where it is there already."""

    name: str
    first: Callable[[str, Path], list[str]]
    again: Callable[[str, Path], list[str]]


@dataclass
class Measured:
    """What one tool took for one folder: seconds of each run, the most memory of any of its processes in MB."""

    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    memory: float = 0.0


def tools(work: Path, endpoint: str) -> list[Tool]:
    """Ours and its peers, each with what it is given."""
    monorepo = work / "monorepo"
    monorepo.mkdir()
    (monorepo / "pyproject.toml").write_text("[tool.trainyard]\n")
    (monorepo / "datastores.yaml").write_text(f"lake:\n  url: s3://{BUCKET}\n  endpoint: {endpoint}\n")

    def ours(folder: str, target: Path) -> list[str]:
        # As make calls it: mk/setup.mk.
        python = [sys.executable, "-P", "-X", f"pycache_prefix={work / 'bytecode'}", "-m", "trainyard"]
        program = [*python, "data-pull", str(monorepo)]
        return [*program, f"--from=lake:{folder}", f"--data-cache={target}"]

    settings = work / "rclone.conf"
    settings.write_text(
        f"[s]\ntype = s3\nprovider = Other\nenv_auth = true\nendpoint = {endpoint}\nregion = us-east-1\n"
    )

    def rclone(folder: str, target: Path) -> list[str]:
        return ["rclone", f"--config={settings}", "copy", f"s:{BUCKET}/{folder}", str(target)]

    aws = [str(_aws()), f"--endpoint-url={endpoint}", "s3"]
    return [
        Tool(OURS, ours, ours),
        Tool("rclone", rclone, rclone),
        Tool(
            "aws s3",
            lambda folder, target: [*aws, "cp", "--recursive", "--quiet", f"s3://{BUCKET}/{folder}", str(target)],
            lambda folder, target: [*aws, "sync", "--quiet", f"s3://{BUCKET}/{folder}", str(target)],
        ),
    ]


def _aws() -> Path:
    """The AWS command line in an environment of its own: it pins what we have other versions of."""
    venv = STATE / "venvs" / "awscli"
    if not (venv / "bin" / "aws").is_file():
        say("Installing awscli")
        uv = str(Path(sys.executable).with_name("uv"))
        run([uv, "venv", "--quiet", "--clear", str(venv)])
        run([uv, "pip", "install", "--quiet", "--python", str(venv / "bin" / "python"), "awscli"])
    return venv / "bin" / "aws"


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The endpoint of a server that has ``folder``, in which each folder is a bucket."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = f"127.0.0.1:{found.getsockname()[1]}"
    server = subprocess.Popen(
        ["versitygw", "--port", address, "posix", str(folder)], env=os.environ | KEYS, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            if (
                subprocess.run(["curl", "--silent", f"http://{address}/"], capture_output=True, check=False).returncode
                == 0
            ):
                break
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait()


def make_files(folder: Path, count: int, size: int) -> None:
    """Random files, a hundred in a folder. They are not read by anything but this."""
    for number in range(count):
        path = folder / f"{number // 100:04d}" / f"{number:06d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for start in range(0, size, 10_000_000):
                file.write(os.urandom(min(10_000_000, size - start)))


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds from start to end, and the most memory that the process, or one that it waited for, had, in MB."""
    os.sync()  # what the one before it wrote
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MAKE", "TRAINYARD", "PYTHON"))
    }
    environment |= CLIENT | {"PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - started
    if status:
        sys.exit(f"error: {command[0]} failed:\n{said.decode(errors='replace')}")
    return took, usage.ru_maxrss / 1024


def measure(tool: Tool, folder: str, target: Path, found: Measured) -> None:
    """One first fetch, and the same again with nothing changed.

    Each fetch has a folder of its own: ext4 makes new files slowly for some seconds where many were just removed.
    """
    for command, times in ((tool.first, found.first), (tool.again, found.again)):
        seconds, memory = timed(command(folder, target))
        times.append(seconds)
        found.memory = max(found.memory, memory)
        say(f"{tool.name}, {folder}, {'first' if times is found.first else 'again'}: {seconds:.2f} s, {memory:.0f} MB")


@click.command()
@click.option("--files", default=10_000, show_default=True, help="small files, of 10 kB")
@click.option("--large", default=500, show_default=True, help="MB of each of four large files")
@click.option("--repeats", default=3, show_default=True)
@click.option("--out", default=str(STATE / "data"), show_default=True, help="folder of the results")
def main(files: int, large: int, repeats: int, out: str) -> None:
    """Measure and print."""
    work = Path(out)
    shutil.rmtree(work, ignore_errors=True)
    cases = {
        f"{files:,} files of 10 kB": ("small", files, 10_000),
        f"4 files of {large} MB": ("large", 4, large * 10**6),
    }
    for folder, count, size in cases.values():
        make_files(work / "store" / BUCKET / folder, count, size)
    found: dict[str, dict[str, Measured]] = {case: {} for case in cases}
    with served(work / "store") as endpoint:
        competing = tools(work, endpoint)
        for repeat in range(repeats):
            for case, (folder, _, _) in cases.items():
                for number, tool in enumerate(competing):
                    target = work / "fetched" / f"{folder}-{number}-{repeat}"
                    target.parent.mkdir(exist_ok=True)
                    measure(tool, folder, target, found[case].setdefault(tool.name, Measured()))
    shutil.rmtree(work / "store")
    shutil.rmtree(work / "fetched")
    text = report(found)
    (work / "data.md").write_text(text + "\n")
    plain = {case: {name: vars(one) for name, one in tools.items()} for case, tools in found.items()}
    (work / "data.json").write_text(json.dumps(plain, indent=1) + "\n")
    print(text)


def report(found: dict[str, dict[str, Measured]]) -> str:
    """A table, and which targets were reached."""
    lines = [
        f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. Medians.",
        "",
        "| what | tool | first fetch, s | nothing changed, s | most memory, MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    verdicts = []
    for case, by_tool in found.items():
        for name, one in by_tool.items():
            first, again = statistics.median(one.first), statistics.median(one.again)
            lines.append(f"| {case} | {name} | {first:.2f} | {again:.2f} | {one.memory:.0f} |")
        ours = by_tool[OURS]
        best, name = min((statistics.median(one.first), name) for name, one in by_tool.items() if name != OURS)
        ratio, again = statistics.median(ours.first) / best, statistics.median(ours.again)
        verdicts += [
            f"{case}, first fetch: {ratio:.2f} times {name}'s ({FACTOR}: {_mark(ratio <= FACTOR)})",
            f"{case}, nothing changed: {again:.2f} s ({UNCHANGED:.0f}: {_mark(again < UNCHANGED)})",
            f"{case}, memory: {ours.memory:.0f} MB ({MEMORY}: {_mark(ours.memory < MEMORY)})",
        ]
    return "\n".join([*lines, "", *(f"- {verdict}" for verdict in verdicts)])


def _mark(reached: bool) -> str:
    return "reached" if reached else "MISSED"


if __name__ == "__main__":
    main()
