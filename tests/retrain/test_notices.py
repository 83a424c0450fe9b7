"""Who is told of a job, and what; against real receivers."""

from __future__ import annotations

import hmac
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apprise.plugins.discord import NotifyDiscord
from monorepo import free_port
from waiting import until

from retrain.receiving import Received, Receiver, job, notices, receiver, settings, silent
from trainyard.host.retrain.jobs.job import State, Step, StepName
from trainyard.host.retrain.notices.notice import Event, Notice
from trainyard.host.retrain.notices.notices import WAITING, Notices
from trainyard.host.support.reporter import Recording

SECRET = "hook-secret-7c1"  # of the webhook
TOKEN = "t0ken-that-nobody-may-see"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


def verified(received: Received, secret: str) -> bool:
    """By openssl, which is not ours."""
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", secret, "-hex"], input=received.body, capture_output=True, check=True
    )
    digest = done.stdout.decode().rpartition(" ")[2].strip()
    return hmac.compare_digest(f"sha256={digest}", received.headers["x-trainyard-signature-256"])


def test_a_plain_url_gets_the_job_signed(hook: Receiver) -> None:
    with notices(notify=f"{hook.url}/here?channel=1", webhook_secret=SECRET) as told:
        assert told.send(job(), Event.SUCCEEDED, ["the end"]) == []
    (got,) = hook.received
    assert got.path == "/here?channel=1"
    assert verified(got, SECRET)
    assert not verified(got, SECRET + "x")
    assert got.headers["x-trainyard-event"] == "succeeded"
    assert got.headers["content-type"] == "application/json"
    content = got.content
    assert content["event"] == "succeeded"
    assert content["last_lines"] == ["the end"]
    assert content["job"]["version"] == "7"
    assert content["job"]["metrics"] == {"auc": 0.91, "loss": None}
    assert content["job"]["created"] == "2026-11-30T12:00:00+00:00"
    # What tells a delivery that is sent again is under the signature.
    assert content["delivery"] == got.headers["x-trainyard-delivery"]
    assert str(content["timestamp"]) == got.headers["x-trainyard-timestamp"]
    assert abs(time.time() - content["timestamp"]) < 60


def test_each_delivery_has_an_id_of_its_own(hook: Receiver) -> None:
    with notices(notify=hook.url) as told:
        told.send(job(), Event.STARTED)
        told.send(job(), Event.STARTED)
    assert len({got.content["delivery"] for got in hook.received}) == 2
    assert all("x-trainyard-signature-256" not in got.headers for got in hook.received)


def test_apprise_tells_people(hook: Receiver) -> None:
    """By its service for JSON, of which there is a real receiver here."""
    failed = job(
        state=State.FAILED, reason="train.py: no column <b>age</b>", steps=(Step(StepName.BUILD, job().created),)
    )
    with notices(notify=f"json://127.0.0.1:{hook.port}/{TOKEN}") as told:
        assert told.send(job(), Event.STARTED) == []
        assert told.send(job(), Event.SUCCEEDED) == []
        assert told.send(failed, Event.FAILED, ["line 1", "ping @everyone <!channel>"]) == []
    started, succeeded, wrong = (got.content for got in hook.received)
    assert started["title"] == "Retraining of people/income: started"
    assert succeeded["type"] == "success"
    for part in (
        "version 7 is the new champion", "because: auc 0.91 against the champion's 0.9", "new: auc 0.91, loss nan",
        "champion before (version 6): auc 0.9",
    ):  # fmt: skip
        assert part in succeeded["message"]
    assert wrong["type"] == "failure"
    assert "failed in step build: train.py: no column <b>age</b>" in wrong["message"]
    assert "line 1" in wrong["message"]
    assert "@everyone" not in wrong["message"]
    assert "<!channel>" not in wrong["message"]


def test_a_long_log_is_cut_to_what_chats_take() -> None:
    lines = [f"{number} " + "x" * 300 for number in range(500)]
    text = Notice(job(state=State.FAILED), Event.FAILED, tuple(lines)).text
    assert len(text) < 1900
    assert text.endswith("499 " + "x" * 300)


def test_the_seeds_webhook_url_is_a_discord_channel(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pasted from Discord. Only its address is ours: Discord cannot be asked in a test."""
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"{hook.url}/api/webhooks")
    url = f"https://discord.com/api/webhooks/123456789012345678/{TOKEN}"
    with notices(notify=url) as told:
        assert told.send(job(), Event.SUCCEEDED) == []
        hook.status = 404
        (line,) = told.send(job(), Event.SUCCEEDED)
    assert hook.received[0].path.split("?")[0] == f"/api/webhooks/123456789012345678/{TOKEN}"
    assert "version 7 is the new champion" in hook.received[0].body.decode()
    assert line.startswith("RETRAIN_NOTIFY 1 (Discord): status 404")
    assert TOKEN not in line


def test_one_that_is_dead_is_named_and_the_others_are_told(hook: Receiver) -> None:
    dead = f"http://127.0.0.1:{free_port()}/{TOKEN}"
    with notices(notify=f"{dead} {hook.url} json://127.0.0.1:{free_port()}/{TOKEN}") as told:
        lines = told.send(job(), Event.SUCCEEDED)
    assert len(hook.received) == 1
    assert [line.split(":")[0] for line in lines] == ["RETRAIN_NOTIFY 1 (http", "RETRAIN_NOTIFY 3 (JSON)"]
    assert not any(TOKEN in line or "\n" in line for line in lines)


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}/{}", "json://127.0.0.1:{}/{}"])
def test_one_that_is_silent_costs_a_job_the_time_of_the_setting(hook: Receiver, form: str) -> None:
    with silent() as port, notices(notify=f"{form.format(port, TOKEN)} {hook.url}", notice_timeout="1") as told:
        began = time.monotonic()
        (line,) = told.send(job(), Event.SUCCEEDED)
        took = time.monotonic() - began
        assert line.startswith("RETRAIN_NOTIFY 1 ")
        assert TOKEN not in line
        assert len(hook.received) == 1
        assert took < 5


def test_one_that_dribbles_is_cut_off() -> None:
    """A byte now and then: no timeout of a socket would end that."""
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        ended = threading.Event()

        def dribble() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    while not ended.wait(0.1):
                        connection.sendall(b"H")
                except OSError:
                    ended.set()

        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()
        with notices(notify=f"http://127.0.0.1:{listening.getsockname()[1]}", notice_timeout="1") as told:
            (line,) = told.send(job(), Event.SUCCEEDED)
            assert "1 s" in line
            until(ended.is_set, 10)
        thread.join(10)


def test_a_queue_that_is_full_says_so_at_once(hook: Receiver) -> None:
    hook.goes_on.clear()
    with notices(notify=hook.url, notice_timeout="60") as told:
        senders = [
            threading.Thread(target=told.send, args=(job(), Event.STARTED), daemon=True) for _ in range(WAITING + 1)
        ]
        senders[0].start()
        until(lambda: hook.received)  # one is under way, the rest waits
        for sender in senders[1:]:
            sender.start()
        lines: list[str] = until(lambda: _full(told.send(job(), Event.STARTED)) if _waiting(told) else [], 30)
        assert lines[0].startswith("RETRAIN_NOTIFY 1 (http://127.0.0.1:")
        hook.goes_on.set()
        for sender in senders:
            sender.join(30)
    assert len(hook.received) == WAITING + 1


def _waiting(told: object) -> bool:
    return len(told._open) == WAITING + 1  # type: ignore[attr-defined]


def _full(lines: list[str]) -> list[str]:
    return [line for line in lines if f"{WAITING} notices wait for it already" in line]


def test_who_has_other_jobs_to_look_after_does_not_wait(hook: Receiver) -> None:
    heard = Recording()
    hook.goes_on.clear()
    with silent() as port:
        told = Notices(settings(notify=f"{hook.url} http://127.0.0.1:{port}/{TOKEN}", notice_timeout="2"), heard)
        began = time.monotonic()
        told.post(job(), Event.STARTED)
        assert time.monotonic() - began < 1
        hook.goes_on.set()
        (line,) = until(lambda: heard.noted("warning"), 20)
    assert line.startswith("job j1: RETRAIN_NOTIFY 2 (http://127.0.0.1:")
    assert "no answer in 2 s: RETRAIN_NOTICE_TIMEOUT" in line
    assert TOKEN not in line
    assert len(hook.received) == 1
    told.close()


def test_a_callback_comes_at_the_end_alone(hook: Receiver) -> None:
    asked = job(request={"callback_url": f"{hook.url}/done?key={TOKEN}"})
    with notices(callbacks="127.0.0.1", webhook_secret=SECRET) as told:
        assert told.send(asked, Event.STARTED) == []
        assert told.send(asked, Event.CANCELLED) == []
    (got,) = hook.received
    assert (got.path, got.content["event"]) == (f"/done?key={TOKEN}", "cancelled")
    assert verified(got, SECRET)


def test_where_a_callback_goes_is_not_told_to_others(hook: Receiver) -> None:
    asked = job(request={"callback_url": f"https://ci.invalid/{TOKEN}", "git_uri": f"https://me:{TOKEN}@git.invalid/a"})
    with notices(notify=hook.url) as told:
        (line,) = told.send(asked, Event.SUCCEEDED)
    assert TOKEN not in hook.received[0].body.decode()
    assert line.startswith("callback_url: https://ci.invalid: the host has no address")
    assert TOKEN not in line


def test_a_callback_is_not_sent_into_the_own_network(hook: Receiver) -> None:
    """Checked when it is sent, too: a name may have had another address when the job was asked for."""
    with notices() as told:
        (line,) = told.send(job(request={"callback_url": f"{hook.url}/{TOKEN}"}), Event.SUCCEEDED)
    assert "is not a public address" in line
    assert "RETRAIN_CALLBACKS" in line
    assert TOKEN not in line
    assert not hook.received


def test_a_callback_follows_no_redirect(hook: Receiver) -> None:
    with receiver() as inner, notices(callbacks=f"127.0.0.1:{hook.port}") as told:
        hook.status, hook.location = 307, f"{inner.url}/inside"
        (line,) = told.send(job(request={"callback_url": hook.url}), Event.SUCCEEDED)
        assert "status 307: redirects are not followed" in line
        assert len(hook.received) == 1
        assert not inner.received


def test_what_is_no_url_is_said_once_without_showing_it(hook: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    heard = Recording()
    told = Notices(settings(notify=f"discord://{TOKEN} nonsense-{TOKEN} http://[{TOKEN} {hook.url}"), heard)
    assert told.send(job(), Event.SUCCEEDED) == []
    lines = heard.noted("warning")
    assert [line.partition(" is ")[0] for line in lines] == ["RETRAIN_NOTIFY 1", "RETRAIN_NOTIFY 2", "RETRAIN_NOTIFY 3"]
    assert not any(TOKEN in line for line in lines)
    assert TOKEN not in caplog.text
    told.close()
    assert told.send(job(), Event.SUCCEEDED) == ["nobody is told: the service is ending"]


def test_no_log_has_a_token(hook: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """Even where somebody has all logs shown, and the receiver fails."""
    caplog.set_level(logging.DEBUG)
    hook.status = 500
    url = f"json://me:{TOKEN}@127.0.0.1:{hook.port}/{TOKEN}"
    with notices(notify=f"{url} {hook.url}/{TOKEN}", webhook_secret=TOKEN) as told:
        lines = told.send(job(), Event.SUCCEEDED)
    assert len(lines) == 2
    assert all("status 500" in line for line in lines)
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(told._settings)


def test_the_process_ends_though_a_receiver_hangs() -> None:
    with silent() as port:
        code = (
            "from retrain.receiving import notices, job\n"
            "from trainyard.host.retrain.notices.notice import Event\n"
            f"with notices(notify='http://127.0.0.1:{port} json://127.0.0.1:{port}', notice_timeout='100') as told:\n"
            "    import threading\n"
            "    threading.Thread(target=told.send, args=(job(), Event.STARTED), daemon=True).start()\n"
            "    threading.Event().wait(0.5)\n"
            "    print(told.close(0.2))\n"
        )
        path = {"PYTHONPATH": "tests:."}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=path)
    assert done.stdout.strip() == "['2 notices were still under way when the service ended']", done.stderr


def test_the_recipe_of_the_docs_verifies_it(hook: Receiver) -> None:
    page = (Path(__file__).parents[2] / "docs/notices-and-triggers.md").read_text()
    lines = [line[4:] for line in page.splitlines() if line.startswith("    ") or not line]
    begin = next(number for number, line in enumerate(lines) if line.startswith("import hashlib"))
    end = next(number for number, line in enumerate(lines) if line == "    return content")
    known: dict[str, Any] = {}
    exec("\n".join(lines[begin : end + 1]), known)
    with notices(notify=hook.url, webhook_secret=SECRET) as told:
        told.send(job(reason="Grün"), Event.SUCCEEDED)
    (got,) = hook.received
    headers, seen = {"X-Trainyard-Signature-256": got.headers["x-trainyard-signature-256"]}, set[str]()
    assert known["verified"]("another", headers, got.body, seen) is None
    assert known["verified"](SECRET, headers, got.body.replace(b"Gr", b"gr"), seen) is None
    assert known["verified"](SECRET, headers, got.body, seen)["job"]["reason"] == "Grün"
    assert known["verified"](SECRET, headers, got.body, seen) is None
