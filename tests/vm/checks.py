#!/usr/bin/env python3
"""What is tried in the machine of scripts/vm.sh, where it runs as root.

Everything that was installed is what packer/provision.sh installs. Each check prints a line, as `caisson selftest` does, and a table of
all of them comes last.
"""

import functools
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENDPOINT = (HERE / "endpoint").read_text().strip()
SHIPPED = HERE / "host"
DAEMON = Path("/etc/docker/daemon.json")
LANGUAGES = "bash,c,python3"
# Only against what hangs; it decides nothing.
PATIENCE_SECONDS = 1800
# What doctor warns of on this machine: distributions mend runc without changing its number, and the emulated processor says so itself.
EXPECTED_WARNINGS = {"engine.escapes", "kernel.processor"}

# The worker's own; names as in docs/configuration.md.
SETTINGS = {
    "CAISSON_WORKER_LANGUAGES": LANGUAGES,
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Wrong(Exception):
    """A check came out otherwise than it should; each argument is a line for a person."""


def say(line=""):
    print(line, flush=True)


def run(*command, environment=None, patience=PATIENCE_SECONDS):
    """Runs a program to its end and gives its exit code and both its outputs, in one."""
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=patience
        )
    except subprocess.TimeoutExpired as late:
        raise Wrong(f"{' '.join(command)} did not end within {patience} s", *lines(late.output or b""))
    return done.returncode, done.stdout.decode(errors="replace")


def lines(output):
    text = output if isinstance(output, str) else output.decode(errors="replace")
    return text.rstrip("\n").split("\n") if text.strip() else []


def must(*command, **options):
    code, output = run(*command, **options)
    if code != 0:
        raise Wrong(f"{' '.join(command)}: exit code {code}", *lines(output)[-20:])
    return output


def sqs(action, **fields):
    request = urllib.request.Request(
        ENDPOINT,
        data=json.dumps(fields).encode(),
        headers={
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"AmazonSQS.{action}",
            # The local SQS looks at the region in it, and at nothing else.
            "authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
        },
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read() or b"{}")


@functools.cache
def queues():
    """The URLs of both."""
    dead = sqs("CreateQueue", QueueName="dead")["QueueUrl"]
    arn = sqs("GetQueueAttributes", QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    jobs = sqs("CreateQueue", QueueName="jobs", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    return jobs, sqs("CreateQueue", QueueName="results")["QueueUrl"]


def settings():
    jobs, results = queues()
    return {**SETTINGS, "CAISSON_QUEUE_INCOMING_URL": jobs, "CAISSON_QUEUE_OUTGOING_URL": results}


def caisson(*arguments, **more):
    """Runs caisson as the worker's own user, with the worker's settings."""
    environment = {"PATH": os.environ["PATH"], "CAISSON_CONFIG": "/etc/caisson/caisson.toml", **settings(), **more}
    return run("runuser", "--user", "caisson", "--", "/usr/local/bin/caisson", *arguments, environment=environment)


# The checks: each with its group and its name. One returns a word or two for its line, or raises what is wrong.
GROUPS, rows = {}, []


def check(group, name):
    def add(function):
        GROUPS.setdefault(group, []).append((name, function))
        return function

    return add


def try_one(group, name, function):
    began = time.monotonic()
    problems, detail = [], ""
    try:
        detail = function() or ""
    except Wrong as wrong:
        problems = [str(line) for line in wrong.args]
    except Exception as error:  # whatever it was, the others are tried
        problems = [f"{type(error).__name__}: {error}"]
    mark = "WRONG" if problems else "ok   "
    say(f"{mark} {group:<9} {name:<66} {detail:<18} {(time.monotonic() - began) * 1000:>7.0f} ms")
    for line in problems:
        say(f"      {line}")
    rows.append([group, name, "wrong" if problems else "ok", detail or (problems[0] if problems else "")])


@check("host", "deploy/host/install takes the new binary")
def _():
    must(str(SHIPPED / "install"), str(HERE / "caisson"))
    must("cmp", "/usr/local/bin/caisson", str(HERE / "caisson"))


@check("host", "cgroups are version 2, and AppArmor is on")
def _():
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        raise Wrong("/sys/fs/cgroup is not version 2")
    if Path("/sys/module/apparmor/parameters/enabled").read_text().strip() != "Y":
        raise Wrong("AppArmor is off")


@check("host", "systemd has no failed unit")
def _():
    must("systemctl", "is-system-running", "--wait")


@check("host", "units and settings are those of deploy/host")
def _():
    places = {
        "caisson.service": "/etc/systemd/system/caisson.service",
        "caisson-launch.service": "/etc/systemd/system/caisson-launch.service",
        "tmpfiles.conf": "/etc/tmpfiles.d/caisson.conf",
        "sysctl.conf": "/etc/sysctl.d/90-caisson.conf",
        "modprobe.conf": "/etc/modprobe.d/caisson.conf",
        "journald.conf": "/etc/systemd/journald.conf.d/caisson.conf",
        "daemon.json": str(DAEMON),
        "launch": "/usr/local/lib/caisson/launch",
    }
    other = [there for name, there in places.items() if (SHIPPED / name).read_bytes() != Path(there).read_bytes()]
    if other:
        raise Wrong(*(f"{name} is another" for name in other))


@check("host", "every setting of sysctl.conf is in force")
def _():
    missing, wrong = 0, []
    for line in (SHIPPED / "sysctl.conf").read_text().splitlines():
        if not (found := re.fullmatch(r"-?([a-z0-9_.-]+) = (.*)", line)):
            continue
        file = Path("/proc/sys", found[1].replace(".", "/"))
        if not file.exists():
            missing += 1
        elif file.read_text().strip() != found[2]:
            wrong.append(f"{found[1]} is {file.read_text().strip()}, not {found[2]}")
    if wrong:
        raise Wrong(*wrong)
    return f"{missing} not in this kernel" if missing else ""


@check("host", "tmpfiles and modprobe settings are in force")
def _():
    pages = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    if "[madvise]" not in pages:
        raise Wrong(f"transparent_hugepage/enabled is {pages.strip()}")
    folder = Path("/var/log/caisson").stat()
    if (oct(folder.st_mode & 0o777), folder.st_uid) != ("0o750", 990):
        raise Wrong(f"/var/log/caisson has the mode {oct(folder.st_mode)} and the owner {folder.st_uid}")
    if "/bin/false" not in must("modprobe", "--dry-run", "--verbose", "sctp"):
        raise Wrong("sctp can be loaded")


@check("host", "the engine uses the systemd driver, overlay2, AppArmor and seccomp")
def _():
    shape = "{{.CgroupDriver}} {{.CgroupVersion}} {{.Driver}} {{.SecurityOptions}}"
    info = must("docker", "info", "--format", shape).strip()
    if not info.startswith("systemd 2 overlay2 ") or "apparmor" not in info or "seccomp" not in info:
        raise Wrong(info)


@check("host", "the engine has the images, and with its users remapped, too")
def _():
    wanted = {f"caisson/{name}:latest" for name in ("base", "bash", "c", "python3")}
    if missing := wanted - set(lines(must("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"))):
        raise Wrong(*(f"{name} is missing" for name in sorted(missing)))
    if not list(Path("/var/lib/docker").glob("[1-9]*.[1-9]*/image/overlay2/imagedb/content/sha256/*")):
        raise Wrong("the engine's folder for remapped users has no images")


def doctor(**more):
    code, output = caisson("doctor", "--json", **more)
    try:
        # What it has to say besides stands around it.
        findings, _ = json.JSONDecoder().raw_decode(output[re.search(r"^\[", output, re.MULTILINE).start() :])
    except (ValueError, AttributeError):
        raise Wrong(f"exit code {code}", *lines(output))
    counts = {}
    for finding in findings:
        counts[finding["verdict"]] = counts.get(finding["verdict"], 0) + 1
        if finding["verdict"] != "good":
            say(f"      {finding['verdict']:<8} {finding['check']}: {finding['measured']}")
    problems = [finding for finding in findings if finding["verdict"] == "broken"]
    problems += [finding for finding in findings if finding["verdict"] == "warning" and finding["check"] not in EXPECTED_WARNINGS]
    if problems:
        raise Wrong(*(f"{finding['verdict']} {finding['check']}: {finding['measured']}; {finding['advice']}" for finding in problems))
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


@check("runc", "doctor finds nothing broken, and warns of nothing new")
def _():
    return doctor(CAISSON_SANDBOX_RUNTIME="runc")


def first(*command):
    output = run(*command)[1]
    return lines(output)[0] if output else "?"


def host():
    release = dict(line.split("=", 1) for line in lines(Path("/etc/os-release").read_text()) if "=" in line)
    return ", ".join([
        release["PRETTY_NAME"].strip('"'),
        f"kernel {os.uname().release}",
        f"Docker {must('docker', 'version', '--format', '{{.Server.Version}}').strip()}",
        first("runc", "--version"),
        first("crun", "--version"),
        first("systemctl", "--version").split(" (")[0],
        first("apparmor_parser", "--version"),
    ])


def main():
    groups = (HERE / "groups").read_text().split() or list(GROUPS)
    if unknown := [group for group in groups if group not in GROUPS]:
        say(f"no such checks: {', '.join(unknown)}; there are: {', '.join(GROUPS)}")
        return 64
    say(host())
    for group in groups:
        for name, function in GROUPS[group]:
            try_one(group, name, function)
    say()
    say(f"host: {host()}")
    width = max(len(row[1]) for row in rows)
    for group, name, result, detail in rows:
        say(f"{group:<9} {name:<{width}} {result:<6} {detail}")
    wrong = sum(row[2] != "ok" for row in rows)
    say(f"{len(rows) - wrong} of {len(rows)} as expected")
    return 1 if wrong else 0


code = 1
try:
    code = main()
except Exception as error:  # the machine has to be switched off whatever happens
    say(f"{type(error).__name__}: {error}")
say(f"== end {code}")
subprocess.run(["systemctl", "poweroff"])
sys.exit(code)
