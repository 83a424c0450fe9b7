"""Load by wrk: keep-alive connections that each send their next request when the last is answered."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency, requests)
    local errors = summary.errors
    local form = '\\n{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "status": %d, "socket": %d}\\n'
    io.write(string.format(form, summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What was measured; latencies in milliseconds."""

    requests: int
    per_second: float
    p50: float
    p99: float
    errors: int


def need_wrk() -> None:
    """Ends the program where wrk is missing."""
    if not shutil.which("wrk"):
        sys.exit("error: wrk, which makes the load, is missing: apt-get install wrk")


def drive(url: str, body: bytes, connections: int, seconds: float) -> Load:
    """Load ``url`` with ``body``."""
    with tempfile.TemporaryDirectory() as name:
        script, content = Path(name) / "post.lua", Path(name) / "body"
        script.write_text(SCRIPT)
        content.write_bytes(body)
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "-s", str(script), url]
        done = subprocess.run(argv, env={"BODY": str(content)}, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    return Load(
        measured["requests"],
        measured["requests"] / measured["microseconds"] * 1e6,
        measured["p50"] / 1000,
        measured["p99"] / 1000,
        measured["status"] + measured["socket"],
    )
