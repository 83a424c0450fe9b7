"""How many values a server of ours has counted that were unlike those of the training."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Collection

from prometheus_client.parser import text_string_to_metric_families

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.experiments.retrain_section import DriftTrigger

COUNTER = "trainyard_drift_total"
_MOST = 32 << 20  # bytes of a page of metrics
_PIECE = 1 << 16


def drift_of(trigger: DriftTrigger, routes: Collection[str], timeout: float) -> int:
    """The count of the model that ``routes`` are of, of one column or of all; it begins again when the server does.

    Raises:
        TrainyardError: the server does not answer in time, or does not serve the model.
    """
    url = f"{trigger.server}/metrics"
    serves, count = False, 0.0
    try:
        for family in text_string_to_metric_families(_page(url, timeout)):
            for sample in family.samples:
                if sample.labels.get("route") not in routes:
                    continue
                serves = True
                if sample.name == COUNTER and trigger.of in ("", sample.labels.get("column")):
                    count += sample.value
    except ValueError:
        raise _failure(url, "not metrics for Prometheus", "name a server that make predict started") from None
    if not serves:
        named = ", ".join(sorted(routes))
        raise _failure(url, f"it serves no route of this model ({named})", "correct retrain.on_drift.server")
    return int(count)


def _page(url: str, timeout: float) -> str:
    content, deadline = bytearray(), time.monotonic() + timeout
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 -- config.yaml takes http(s) alone
            # The timeout is one of silence; who sends a byte now and then is cut off here.
            while len(content) <= _MOST and (piece := answer.read1(_PIECE)):
                content += piece
                if time.monotonic() > deadline:
                    raise TimeoutError
    except urllib.error.HTTPError as error:
        error.close()
        raise _failure(url, f"status {error.code}", "name a server that make predict started") from None
    except TimeoutError:
        raise _failure(url, f"no answer in {timeout:g} s", "RETRAIN_POLL_TIMEOUT says how long to wait") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _failure(url, str(reason) or type(error).__name__, "see that the server runs") from None
    if len(content) > _MOST:
        raise _failure(url, f"more than {_MOST >> 20} MB", "name a server that make predict started")
    return content.decode(errors="replace")


def _failure(url: str, what: str, fix: str) -> TrainyardError:
    return TrainyardError(f"{url}: {what}", fix, EXIT_FAILED)
