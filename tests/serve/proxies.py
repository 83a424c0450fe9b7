"""Starts nginx and HAProxy as Debian's packages configure them, in front of a daemon, as whoever runs the tests."""

from __future__ import annotations

import contextlib
import functools
import getpass
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from monorepo import free_port
from waiting import until

# proxy_pass alone is nginx's default: HTTP/1.0 to the server, and a connection for each request.
NGINX = """
user {user};
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 768; }}
http {{
    access_log off;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 16m;
    upstream models {{ server 127.0.0.1:{port}; keepalive 16; keepalive_timeout 60s; }}
    server {{
        listen 127.0.0.1:{plain};
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        location / {{ proxy_pass http://127.0.0.1:{port}; }}
        location /stripped/ {{ proxy_pass http://127.0.0.1:{port}/; }}
        location /streamed/ {{ proxy_pass http://127.0.0.1:{port}/; proxy_request_buffering off; }}
    }}
    server {{
        listen 127.0.0.1:{reusing};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location / {{ proxy_pass http://models; }}
        location /stripped/ {{ proxy_pass http://models/; }}
        location /streamed/ {{ proxy_pass http://models/; proxy_request_buffering off; }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    option httplog
    option dontlognull
    timeout connect 5000
    timeout client 50000
    timeout server 50000
frontend plain
    bind 127.0.0.1:{plain}
    http-request replace-path /(stripped|streamed)/(.*) /\\2
    stats enable
    stats uri /proxy-state
    default_backend plain
frontend reusing
    bind 127.0.0.1:{reusing}
    http-request replace-path /(stripped|streamed)/(.*) /\\2
    default_backend reusing
backend plain
    option httpchk GET /health
    server models 127.0.0.1:{port} check inter 500
backend reusing
    option httpchk GET /health
    http-reuse always
    server models 127.0.0.1:{port} check inter 500
"""
COMMANDS = {"nginx": (NGINX, ["nginx", "-c"]), "haproxy": (HAPROXY, ["haproxy", "-db", "-f"])}


@contextmanager
def in_front_of(port: int, program: str, folder: Path) -> Iterator[dict[str, str]]:
    """URLs of the proxy: ``plain`` as its defaults are, ``reusing`` connections to the server."""
    text, command = COMMANDS[program]
    ports = {"plain": free_port(), "reusing": free_port()}
    config = folder / f"{program}.conf"
    config.write_text(text.format(folder=folder, port=port, user=getpass.getuser(), **ports))
    urls = {name: f"http://127.0.0.1:{number}" for name, number in ports.items()}
    with (folder / f"{program}.out").open("w") as log:
        process = subprocess.Popen([*command, config], stdout=log, stderr=log)
    try:
        for url in urls.values():
            log = folder / f"{program}.out"
            until(functools.partial(_is_healthy, url, process, log), 20, log.read_text)
        yield urls
    finally:
        process.terminate()
        process.wait(20)


def _is_healthy(url: str, process: subprocess.Popen, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/health", timeout=10).status_code == 200
    return False
