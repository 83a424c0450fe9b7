"""Who is told: each URL of RETRAIN_NOTIFY is one of Apprise, or a webhook of ours; a callback is a webhook, too."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.retrain.notices import webhook
from trainyard.host.retrain.notices.callbacks import addresses_of, port_of, resolved, split_url
from trainyard.host.retrain.notices.notice import Event, Notice, place_of
from trainyard.settings.retrain import NoticeSettings

if TYPE_CHECKING:
    from apprise import AppriseAsset

_STATUS = re.compile(r"\berror=(\d{3})\b")


class Receiver(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str:
        """For messages: no part of it is secret."""

    def deliver(self, notice: Notice) -> None:
        """Raises:
        TrainyardError: it was not taken; the message begins with the name and has nothing secret."""


class Webhook:
    """Our own post. ``checked``: the URL is of a request, and may only lead to the internet or to hosts on the list."""

    def __init__(self, name: str, url: str, settings: NoticeSettings, *, checked: bool) -> None:
        self.name = name
        self._url = url
        self._settings = settings
        self._checked = checked

    def deliver(self, notice: Notice) -> None:
        made = webhook.delivery_of(notice, self._settings.webhook_secret)
        try:
            webhook.post(self._url, made, self._addresses(), self._settings.notice_timeout)
        except TrainyardError as error:
            raise TrainyardError(f"{self.name}: {error.message}", error.hint, EXIT_FAILED) from None

    def _addresses(self) -> list[tuple[str, int]]:
        if self._checked:
            return addresses_of(self._url, self._settings)
        parts = split_url(self._url)
        port = port_of(parts)
        return [(address, port) for address in resolved(parts.hostname or "", port, self._url)]


class AppriseReceiver:
    """A service that Apprise knows. Its URL, which is a password, stays in here."""

    def __init__(self, name: str, service: Any) -> None:
        self.name = name
        self._service = service

    def deliver(self, notice: Notice) -> None:
        from apprise import Apprise, NotifyFormat, NotifyType

        kinds = {Event.SUCCEEDED: NotifyType.SUCCESS, Event.FAILED: NotifyType.FAILURE}
        told = Apprise(asset=_asset())
        told.add(self._service)
        with _heard() as lines:
            # TEXT: what a log has is no HTML, where a service makes HTML of it.
            taken = told.notify(
                body=notice.text, title=notice.title, notify_type=kinds.get(notice.event, NotifyType.INFO),
                body_format=NotifyFormat.TEXT,
            )  # fmt: skip
        if not taken:
            found = [match[1] for line in lines if (match := _STATUS.search(line))]
            what = f"status {found[0]}" if found else "it cannot be reached, or does not take the notice"
            raise TrainyardError(f"{self.name}: {what}", "check that URL of RETRAIN_NOTIFY", EXIT_FAILED)


def receivers_of(settings: NoticeSettings) -> tuple[list[Receiver], list[str]]:
    """Those of RETRAIN_NOTIFY, and what is wrong with others, one line each."""
    found: list[Receiver] = []
    wrong: list[str] = []
    for number, url in enumerate(settings.notify.split(), start=1):
        name = f"RETRAIN_NOTIFY {number}"
        if receiver := _receiver(name, url, settings):
            found.append(receiver)
        else:
            wrong.append(
                f"{name} is no URL that Apprise knows (it is not shown, as it is a password): see "
                "https://github.com/caronc/apprise for those of your service"
            )
    return found, wrong


def callback_of(url: str, settings: NoticeSettings) -> Receiver:
    """The callback of a request."""
    return Webhook("callback_url", url, settings, checked=True)


def _receiver(name: str, url: str, settings: NoticeSettings) -> Receiver | None:
    _quieten()
    from apprise import Apprise

    with _heard():  # it says aloud which URL it does not understand
        service: Any = Apprise.instantiate(url, asset=_asset())
    # Apprise knows the plain URLs of some services (Discord, Slack, Teams); another http URL is a webhook of ours.
    if service is None:
        try:
            split_url(url)
        except TrainyardError:
            return None
        return Webhook(f"{name} ({place_of(url)})", url, settings, checked=False)
    seconds = float(settings.notice_timeout)
    service.socket_connect_timeout = service.socket_read_timeout = seconds
    return AppriseReceiver(f"{name} ({service.service_name})", service)


def _asset() -> AppriseAsset:
    from apprise import AppriseAsset

    # In this thread, and without a limit of its own, for which it would start threads: Python waits for those when the
    # service ends.
    return AppriseAsset(
        app_id="Trainyard", app_desc="Trainyard retrain service", app_url="", async_mode=False, service_timeout=0
    )


class _Heard(logging.Filter):
    """Keeps what Apprise logs for the thread that asked, and lets no handler see it: the lines may have parts of URLs,
    and with them passwords."""

    def __init__(self) -> None:
        super().__init__()
        self.of_thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        lines = getattr(self.of_thread, "lines", None)
        if lines is not None:
            lines.append(record.getMessage())
        return False


_HEARD = _Heard()


def _quieten() -> None:
    logger = logging.getLogger("apprise")
    if _HEARD not in logger.filters:
        logger.addFilter(_HEARD)
        # The client that Apprise uses writes the path of each request to debug lines: of a webhook it is the password.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    lines: list[str] = []
    _HEARD.of_thread.lines = lines
    try:
        yield lines
    finally:
        _HEARD.of_thread.lines = None
