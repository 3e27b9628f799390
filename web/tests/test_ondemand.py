# SPDX-License-Identifier: BSD-3-Clause
"""The app for Open OnDemand, without Open OnDemand: its templates are rendered, its scripts run in a real Slurm job as
Open OnDemand runs them, its button leads to the page through a reverse proxy; the page says what Slurm says of the job."""
import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
APP = os.path.join(ROOT, "web", "ondemand")
sys.path.insert(0, os.path.join(ROOT, "session", "tests"))
import proxy  # noqa: E402
import sessions  # noqa: E402
import slurm_cluster  # noqa: E402

# the file's text, rendered: in templates of the job the form's values are in `context`, elsewhere they are names
RENDER = """require 'erb'; require 'json'
values = JSON.parse(ARGV[1])
context = Struct.new(*values.keys.map(&:to_sym)).new(*values.values)
names = context.instance_eval { binding }
names.local_variable_set(:context, context)
print ERB.new(File.read(ARGV[0]), trim_mode: '-').result(names)"""
YAML = "require 'yaml'; require 'json'; print JSON.generate(YAML.load(STDIN.read))"
# what Open OnDemand's job does around the app's scripts; find_port is a helper of its own
JOB = """#!/bin/bash
cd "%(folder)s"
export host port
find_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'; }
export -f find_port
host=localhost
source ./before.sh
./script.sh &
main=$!
source ./after.sh
(umask 077; printf 'host: %%s\\nport: %%s\\nlink: %%s\\n' "$host" "$port" "$link" > connection.yml)
wait $main
"""


def ruby(program, *arguments, text=None):
    done = subprocess.run(["ruby", "-e", program, *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(name, **values):
    return ruby(RENDER, os.path.join(APP, name), json.dumps(values))


def parse(text):
    return json.loads(ruby(YAML, text=text))


def stage(place, **form):
    """The app as Open OnDemand stages it for a job; what sbatch gets besides."""
    asked = parse(open(os.path.join(APP, "form.yml")).read())
    assert set(asked["attributes"]) <= set(asked["form"]) and set(asked["form"]) == {"bc_num_hours", *form}, asked
    assert parse(open(os.path.join(APP, "manifest.yml")).read())["role"] == "batch_connect"
    submit = parse(render("submit.yml.erb", **form))
    assert submit["batch_connect"] == {"template": "basic", "conn_params": ["link"]}, submit
    os.mkdir(place)
    for name in os.listdir(os.path.join(APP, "template")):
        here, there = os.path.join(APP, "template", name), os.path.join(place, name[:-len(".erb")])
        with open(there, "w") as stream:
            stream.write(render(os.path.join("template", name), **form))
        os.chmod(there, stat.S_IMODE(os.stat(here).st_mode))
        if shutil.which("shellcheck"):
            done = subprocess.run(["shellcheck", "--shell=bash", "--severity=style", "-e", "SC2154", there],
                                  capture_output=True, text=True)
            assert done.returncode == 0, done.stdout
    with open(os.path.join(place, "job.sh"), "w") as stream:
        stream.write(JOB % {"folder": place})
    return submit["script"]["native"]


async def run(home, cluster):
    folder = os.path.join(home.path, "staged")
    home.environment.update(SLURM_CONF=cluster.config, PATH=os.path.join(sessions.BUILD, "bin") + ":" + os.environ["PATH"])
    native = stage(folder, ranks=2, folder=home.path)
    done = subprocess.run(["sbatch", "--parsable", "--time=60", "--output=" + os.path.join(folder, "output.log"), *native,
                           os.path.join(folder, "job.sh")], env=home.environment, cwd=home.path, capture_output=True, text=True)
    job = done.stdout.strip()
    assert job.isdigit(), done

    def what():
        return cluster.logs() + open(os.path.join(folder, "output.log")).read()

    connection = os.path.join(folder, "connection.yml")
    sessions.wait_until(lambda: os.path.exists(connection) and open(connection).read().count("\n") == 3
                        or cluster.job_state(job) not in ("RUNNING", "PENDING", "CONFIGURING"), what)
    assert os.path.exists(connection), what()
    assert os.stat(os.path.join(folder, "session.json")).st_mode & 0o077 == 0  # it has the link
    about = parse(open(connection).read())
    (session,) = home.json("status")["sessions"]
    np.save(os.path.join(home.path, "small.npy"), np.arange(20 ** 3, dtype="f4").reshape(20, 20, 20))
    home.run("push", "small.npy", "--to", session["id"])
    button = render("view.html.erb", **about)
    path, link = button.split('href="')[1].split('"')[0].split("#")
    assert path == "/rnode/localhost/%s/" % about["port"] and link == about["link"], button
    async with proxy.Proxy(home.environment, {path: "http://localhost:%s/" % about["port"]}) as outside:
        async with Chromium(os.path.join(home.path, "chromium")) as browser:
            page = await browser.page(apart=True)
            await page.go(outside.address.rstrip("/") + path + "#" + link)
            await page.until("document.querySelector('#picture').dataset.sharp == 'true'")
            await page.until("document.querySelector('#s-job').innerText.startsWith('%s, running, until ')" % job)
            cluster.run("scancel", job)
            await page.until("/ended|lost|stopped/.test(document.querySelector('#message').innerText)")
    sessions.wait_until(lambda: cluster.job_state(job) in ("CANCELLED", "COMPLETED", ""), what)
    home.run("stop", session["id"])


async def main():
    with sessions.Home() as home, slurm_cluster.Cluster() as cluster:
        await run(home, cluster)
        home.check_nothing_left()


if __name__ == "__main__":
    sessions.need("Xvfb", "mpiexec", "chromium", "ruby")
    if not os.path.exists(os.path.join(sessions.BUILD, "bin", "beamcast-viewer")):
        sessions.skip("beamcast-viewer was not built")
    if not proxy.program():
        sessions.skip("nginx is missing")
    try:
        from chromium import Chromium
    except ImportError:
        sessions.skip("python3-aiohttp is missing")
    asyncio.run(main())
