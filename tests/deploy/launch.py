"""Runs deploy/host/launch against a metadata service, an Auto Scaling endpoint and a `caisson` that are none."""

import http.server
import os
import subprocess
import tempfile
import threading
import urllib.parse
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "host" / "launch"
CREDENTIALS = '{\n  "Code" : "Success",\n  "AccessKeyId" : "ASIAEXAMPLE",\n  "SecretAccessKey" : "se/cr+et=",\n  "Token" : "tok/en=="\n}'


class Services(http.server.BaseHTTPRequestHandler):
    """Both services at one address: metadata by GET and PUT, Auto Scaling by POST."""

    target = "InService"
    actions: list = []
    refuse = False

    def answer(self, text: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self) -> None:
        assert self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.answer("the-token")

    def do_GET(self) -> None:
        if self.headers["X-aws-ec2-metadata-token"] != "the-token":
            return self.answer("", 401)  # version 1 of the service is off
        known = {
            "instance-id": "i-0123456789abcdef0",
            "iam/security-credentials/": "the-role",
            "iam/security-credentials/the-role": CREDENTIALS,
            "autoscaling/target-lifecycle-state": Services.target,
        }
        text = known.get(self.path.removeprefix("/latest/meta-data/"))
        self.answer(text or "", 200 if text else 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        signature = self.headers["authorization"]
        assert signature.startswith("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/"), signature
        assert "/eu-central-1/autoscaling/aws4_request" in signature, signature
        assert "x-amz-security-token" in signature.split("SignedHeaders=")[1].split(",")[0], signature
        assert self.headers["x-amz-security-token"] == "tok/en=="
        Services.actions.append(dict(urllib.parse.parse_qsl(body)))
        self.answer("<x/>", 400 if Services.refuse else 200)

    def log_message(self, *_) -> None:
        pass


def launch(address: str, doctor: str = "0", patience: int = 0, selftest: str = "0", group: str = "fleet", target: str = "InService", refuse: bool = False):
    """The exit code, what Auto Scaling was told, and which commands of `caisson` were run."""
    Services.target, Services.actions, Services.refuse = target, [], refuse
    with tempfile.TemporaryDirectory() as folder:
        ran = Path(folder) / "ran"
        caisson = Path(folder) / "caisson"
        # Their exit codes, one for each time that they are asked.
        codes = [
            f'{name}) set -- {codes}; shift $(($(grep --count {name} {ran}) - 1)); exit $1;;'
            for name, codes in (("doctor", doctor), ("selftest", selftest))
        ]
        caisson.write_text("\n".join(["#!/bin/sh", f'echo "$1" >>{ran}', "case $1 in", *codes, "esac", ""]))
        caisson.chmod(0o755)
        environment = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "AWS_REGION": "eu-central-1",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": address,
            "AWS_ENDPOINT_URL_AUTO_SCALING": address,
            "LAUNCH_LOG_SECONDS": "0",
            "LAUNCH_PATIENCE_SECONDS": str(patience),
        }
        if group:
            environment |= {"GROUP_NAME": group, "LAUNCH_HOOK": "launch"}
        ended = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, timeout=600, check=False)
        told = [(action.get("Action"), action.get("LifecycleActionResult")) for action in Services.actions]
        for action in Services.actions:
            names = (action["AutoScalingGroupName"], action["LifecycleHookName"], action["InstanceId"])
            assert names == ("fleet", "launch", "i-0123456789abcdef0"), action
        return ended, told, ran.read_text().split()


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Services)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    go, stop = ("CompleteLifecycleAction", "CONTINUE"), ("CompleteLifecycleAction", "ABANDON")

    def expect(what: str, code: int, told: list, ran: list, **how) -> None:
        ended, got, commands = launch(address, **how)
        assert (ended.returncode, got, commands) == (code, told, ran), f"{what}: {ended}, {got}, {commands}"
        for secret in ("se/cr+et=", "tok/en=="):
            assert secret not in ended.stdout + ended.stderr, f"{what}: a secret is in the log"

    both = ["doctor", "selftest"]
    expect("all is well", 0, [go], both)
    expect("doctor finds something", 1, [stop], ["doctor"], doctor="1")
    expect("doctor finds a queue away, and is content when it is asked again", 0, [go], ["doctor", *both], doctor="1 0", patience=600)
    expect("selftest fails", 1, [stop], both, selftest="1")
    expect("selftest fails in a busy first minute only", 0, [go], [*both, "selftest"], selftest="1 0", patience=600)
    expect("the warm pool", 75, [go], both, target="Warmed:Stopped")
    expect("a host of one's own", 0, [], both, group="")
    expect("a broken host of one's own", 1, [], ["doctor"], group="", doctor="1")
    # A reboot: nobody waits, and the worker starts all the same. curl tries again before it gives up.
    ended, told, _ = launch(address, refuse=True)
    assert ended.returncode == 0 and set(told) == {go}, (ended, told)
    server.shutdown()


main()
