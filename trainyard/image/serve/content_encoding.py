"""Bodies that a client has compressed (RFC 9110, 8.4): gzip (RFC 1952), and deflate (RFC 1950, or RFC 1951 alone).

Nothing is unpacked further than it is allowed to grow: a few kB can stand for many GB.
"""

from __future__ import annotations

import zlib

from trainyard.errors import BadRequest, TrainyardError
from trainyard.image.serve.request import Request

MOST_ENCODINGS = 2  # one upon the other
MOST_MEMBERS = 1000  # of a gzip body: an empty one takes 20 bytes, and as long as some kB of data
CONTENT_ENCODING = b"content-encoding"
_STEP = 1 << 16  # bytes that are read or written at a time: zlib copies what it has not read yet
_GZIP_MAGIC = b"\x1f\x8b"
# As zlib calls the three formats.
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class UnknownEncoding(TrainyardError):
    """A Content-Encoding that is not understood; HTTP 415."""

    http_status = 415


class UnpacksTooLarge(TrainyardError):
    """A body that is within the limit only as long as it is compressed; HTTP 413."""

    http_status = 413


def unpack(request: Request, most: int) -> None:
    """Replace a compressed body by what it holds; another stays as it is.

    Raises:
        TrainyardError: as ``unpacked``; the request is as it was.
    """
    encoding = request.headers.get(CONTENT_ENCODING)
    if encoding is not None:
        request.body = unpacked(request.body, encoding, most)
        del request.headers[CONTENT_ENCODING]


def unpacked(body: bytes, encoding: bytes, most: int) -> bytes:
    """What a body of that Content-Encoding holds: ``most`` bytes, or fewer.

    Raises:
        UnknownEncoding: it is not gzip or deflate, or more than ``MOST_ENCODINGS`` of them.
        UnpacksTooLarge: it holds more than ``most`` bytes.
        BadRequest: it is not what its encoding says, it is cut off, or something follows it.
    """
    for name in reversed(_names(encoding)):
        body = _inflated(body, name, most) if body else body
    return body


def _names(encoding: bytes) -> list[str]:
    """The encodings, in the order in which they were applied (RFC 9110, 8.4); x-gzip is gzip (8.4.1.3)."""
    names = [name.strip().lower().removeprefix("x-") for name in encoding.decode("latin-1").split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > MOST_ENCODINGS or not {"gzip", "deflate"}.issuperset(names):
        shown = encoding[:40].decode("latin-1")
        raise UnknownEncoding(f"Content-Encoding: {shown} is not understood", "send gzip, deflate, or uncompressed")
    return names


def _inflated(body: bytes, name: str, most: int) -> bytes:
    view, held = memoryview(body), bytearray()
    start = members = 0
    while start < len(body):
        if members and (name != "gzip" or body[start : start + 2] != _GZIP_MAGIC):
            raise BadRequest(f"{len(body) - start} bytes follow the {name} data", "send nothing behind it")
        if members == MOST_MEMBERS:
            raise BadRequest(f"the body has more than {MOST_MEMBERS} gzip members", "compress it as a whole")
        start += _inflate(view[start:], name, held, most)
        members += 1
    return bytes(held)


def _inflate(body: memoryview, name: str, held: bytearray, most: int) -> int:
    """Add what the first stream in ``body`` holds to ``held``; how many bytes the stream takes."""
    stream = zlib.decompressobj(_format(body, name))
    taken = 0
    while not stream.eof:
        data: bytes | memoryview = stream.unconsumed_tail
        if not data:
            data = body[taken : taken + _STEP]
            taken += len(data)
        try:
            piece = stream.decompress(data, _STEP)
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            raise BadRequest(
                f"the body is not good {name} data ({reason})", "send what Content-Encoding says"
            ) from None
        if not (data or piece or stream.eof):
            raise BadRequest(f"the body ends within its {name} data", "send all of it")
        held += piece
        if len(held) > most:
            raise UnpacksTooLarge(f"the body unpacks to more than {most >> 20} MiB", "send fewer rows at a time")
    return taken - len(stream.unused_data)


def _format(body: memoryview, name: str) -> int:
    """How to read ``body``: clients send deflate with zlib's header, and without (RFC 9110, 8.4.1.2)."""
    if name == "gzip":
        return _GZIP
    has_header = len(body) > 1 and body[0] & 15 == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0
    return _ZLIB if has_header else _RAW
