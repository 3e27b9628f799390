# SPDX-License-Identifier: BSD-3-Clause
"""nginx as a reverse proxy with paths of its own, as docs/web.md has it."""
import asyncio
import os
import shutil
import socket
import subprocess
import tempfile

CONFIGURATION = """daemon off; pid %(folder)s/nginx.pid; error_log %(folder)s/error.log; events {}
http {
  access_log %(folder)s/access.log;
  client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b; fastcgi_temp_path %(folder)s/c;
  uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e;
  map $http_upgrade $connection_upgrade { default upgrade; "" close; }
  server {
    listen 127.0.0.1:%(port)d;
    %(locations)s
  }
}
"""
LOCATION = """location %s {
      proxy_pass %s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
"""
TRIES = 300  # of a tenth of a second


def program():
    return shutil.which("nginx", path="/usr/sbin:/usr/bin")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def listens(port):
    """Returns once somebody listens on a port of this host."""
    for _ in range(TRIES):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("nobody listens on port %d" % port)


class Proxy:
    """paths: what stands behind each path, by its address. Use it with async with."""

    def __init__(self, environment, paths):
        self.environment, self.paths = environment, paths
        self.port = free_port()
        self.address = "http://127.0.0.1:%d/" % self.port

    async def __aenter__(self):
        self.folder = tempfile.mkdtemp(prefix="beamcast-proxy-")
        conf = os.path.join(self.folder, "conf")
        with open(conf, "w") as stream:
            stream.write(CONFIGURATION % {"folder": self.folder, "port": self.port,
                                          "locations": "".join(LOCATION % pair for pair in self.paths.items())})
        self.process = subprocess.Popen([program(), "-c", conf, "-e", os.path.join(self.folder, "error.log")],
                                        env=self.environment)
        await listens(self.port)
        return self

    async def __aexit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)

    def log(self):
        with open(os.path.join(self.folder, "access.log")) as stream:
            return stream.read()
