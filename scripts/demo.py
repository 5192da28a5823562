#!/usr/bin/env python3
"""Sends every example to a worker of its own and checks what comes back.

Makes two queues (and a dead-letter queue), starts `caisson worker` on them, sends the jobs of `examples/`, collects the
results, prints them beside what was expected, stops the worker, and looks whether anything was left behind.

Where the queues are is up to the usual variables of the AWS SDK: AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, credentials.
`scripts/sqs.sh scripts/demo.py` sets them for a local emulator.

It is also a small example of a producer (`send`) and a consumer (`receive`) in Python.
"""

from __future__ import annotations

import argparse
import base64
import collections
import dataclasses
import difflib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
NOT_FILES_OF_THE_JOB = {"job.json", "expected.json"}

MESSAGES_PER_BATCH = 10
BYTES_PER_BATCH = 200_000  # Below what every queue takes, whichever its limit is.
LONG_POLL_S = 5
# Both only against what hangs: on a busy host an honest run takes many times as long as on an idle one.
STOP_WITHIN_S = 600
RESULTS_WITHIN_S = 1_800
LOG_LINES = 30


class DemoFailure(Exception):
    """Something that ends the run early; its text is for the person at the terminal."""


# --- The examples ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Example:
    name: str  # "limits/idle": its folder below examples/; for a malformed message, its file
    body: str  # the message as it is sent
    expected: dict  # the part of the result that must come back just so
    language: str = "-"
    shows: str = ""
    message_id: str | None = None
    result: dict | None = None
    faults: list = dataclasses.field(default_factory=list)

    @property
    def id(self) -> str:
        return self.name.rpartition("/")[2]

    def answers_to(self, word: str) -> bool:
        return word.rstrip("/") in (self.name, self.id, self.name.partition("/")[0])


def load_examples() -> list[Example]:
    jobs = [load_job(path.parent) for path in sorted(EXAMPLES.glob("*/*/job.json"))]
    return jobs + load_malformed(EXAMPLES / "malformed")


def load_job(folder: Path) -> Example:
    """The job.json of a folder, completed by the folder's name as `id` and its other files as `files`."""
    sources = [path for path in sorted(folder.rglob("*")) if path.is_file() and is_source(path)]
    job = {"version": 1, "id": folder.name, **json.loads((folder / "job.json").read_text(encoding="utf-8"))}
    job["files"] = [load_file(path, path.relative_to(folder).as_posix()) for path in sources]
    return Example(
        name=folder.relative_to(EXAMPLES).as_posix(),
        body=json.dumps(job),
        expected={
            "job_id": job["id"],
            "metadata": job["metadata"],
            **json.loads((folder / "expected.json").read_text(encoding="utf-8")),
        },
        language=job["language"],
        shows=job["metadata"]["shows"],
    )


def is_source(path: Path) -> bool:
    return path.name not in NOT_FILES_OF_THE_JOB and "__pycache__" not in path.parts


def load_file(path: Path, name: str) -> dict:
    content = path.read_bytes()
    try:
        return {"path": name, "content": content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"path": name, "content_base64": base64.b64encode(content).decode("ascii")}


def load_malformed(folder: Path) -> list[Example]:
    """Message bodies that are sent as they stand, and what their results must say."""
    index = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return [
        Example(
            name=f"malformed/{name}",
            body=(folder / name).read_text(encoding="utf-8"),
            expected=expected,
            shows="refused: " + Path(name).stem.replace("-", " "),
        )
        for name, expected in index.items()
    ]


def select(examples: list[Example], words: list[str]) -> list[Example]:
    for word in words:
        if not any(example.answers_to(word) for example in examples):
            names = [name for example in examples for name in (example.id, example.name)]
            near = difflib.get_close_matches(word, names, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "--list shows them"
            raise DemoFailure(f"no example is called {word!r}; {advice}")
    return [example for example in examples if not words or any(example.answers_to(word) for word in words)]


def differences(expected, actual, place: str = "") -> list[str]:
    """Where `actual` is not what `expected` asks for. Fields that `expected` does not name may hold anything; of
    `detail`, a sentence for people, a part is enough."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            fault
            for key, value in expected.items()
            for fault in differences(value, actual.get(key), f"{place}.{key}" if place else key)
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [
            fault
            for number, (value, other) in enumerate(zip(expected, actual))
            for fault in differences(value, other, f"{place}[{number}]")
        ]
    if place == "detail" and isinstance(actual, str) and expected in actual:
        return []
    return [] if expected == actual else [f"{place}: expected {shorten(expected)}, came {shorten(actual)}"]


def shorten(value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "…"


# --- The queues ------------------------------------------------------------------------------------------------------


class Queues:
    """An incoming queue with its dead-letter queue, and an outgoing one, for this run alone."""

    def __init__(self, sqs, prefix: str):
        self.sqs = sqs
        self.prefix = prefix
        self.urls: dict[str, str] = {}

    def create(self) -> None:
        dead = self._create("dead", {})
        arn = self.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
        self._create("incoming", {"VisibilityTimeout": "60", "RedrivePolicy": redrive})
        self._create("outgoing", {})

    def _create(self, role: str, attributes: dict) -> str:
        url = self.sqs.create_queue(QueueName=f"{self.prefix}-{role}", Attributes=attributes)["QueueUrl"]
        self.urls[role] = url
        return url

    def leftovers(self, no_jobs: int) -> list[str]:
        """What is not as it should be: all queues empty, but for a copy of each message in which no job was found."""
        expected = {"dead": no_jobs}
        names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
        left = []
        for role, url in self.urls.items():
            attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            count = sum(int(attributes[name]) for name in names)
            if count != expected.get(role, 0):
                left.append(f"{count} message(s) in the {role} queue, where {expected.get(role, 0)} should be")
        return left

    def delete(self) -> None:
        while self.urls:
            _, url = self.urls.popitem()
            self.sqs.delete_queue(QueueUrl=url)


def send(sqs, queue_url: str, examples: list[Example]) -> None:
    """The producer: in batches, each within what SQS takes at once; every message's own success is looked at."""
    for batch in batches(examples):
        entries = [{"Id": str(number), "MessageBody": example.body} for number, example in enumerate(batch)]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        for failed in answer.get("Failed", []):
            name = batch[int(failed["Id"])].name
            raise DemoFailure(f"SQS did not take {name}: {failed['Code']}: {failed.get('Message', '')}")
        for taken in answer["Successful"]:
            batch[int(taken["Id"])].message_id = taken["MessageId"]


def batches(examples: list[Example]):
    batch, size = [], 0
    for example in examples:
        length = len(example.body.encode("utf-8"))
        if batch and (len(batch) == MESSAGES_PER_BATCH or size + length > BYTES_PER_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(example)
        size += length
    if batch:
        yield batch


def consume(sqs, queue_url: str, handle, wait_s: int = LONG_POLL_S) -> int:
    """The consumer: one long poll; `handle` gets each result, then the messages are deleted. Returns how many came.

    Delete last, so that a crash in between loses nothing. The price is that a result may come twice, as it may from
    SQS and from the worker too: `handle` must drop a result whose job_id it has already seen.
    """
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=MESSAGES_PER_BATCH, WaitTimeSeconds=wait_s)
    messages = answer.get("Messages", [])
    for message in messages:
        handle(json.loads(message["Body"]))
    if messages:
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
    return len(messages)


# --- The worker ------------------------------------------------------------------------------------------------------


class Worker:
    """A `caisson worker` on these queues, its log in a file."""

    def __init__(self, program: Path, name: str, folder: Path, slots: int):
        self.program = program
        self.id = name
        self.config = folder / "caisson.toml"
        self.log = folder / "worker.log"
        self.slots = slots
        self.process: subprocess.Popen | None = None

    def start(self, queues: Queues) -> None:
        self.config.write_text(
            f"""[queue]
incoming_url = "{queues.urls["incoming"]}"
outgoing_url = "{queues.urls["outgoing"]}"
visibility_timeout_s = 60
# A worker lets its running long poll end before it stops, so that no message is stranded. A short one stops soon.
wait_time_s = 2

[worker]
id = "{self.id}"
slots = {self.slots}
""",
            encoding="utf-8",
        )
        with self.log.open("wb") as log:
            # In a session of its own, so that a Ctrl-C comes to us alone and the worker is stopped in order.
            self.process = subprocess.Popen(
                [self.program, "worker", "--config", self.config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            code, self.process = self.process.returncode, None
            raise DemoFailure(f"the worker ended by itself, with {describe_exit(code)}")

    def stop(self) -> list[str]:
        """Asks it to drain, and says what was wrong with how it went."""
        if self.process is None:
            return []
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=STOP_WITHIN_S)
        except BaseException as error:  # A second Ctrl-C too: the worker never outlives us.
            process.kill()
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return [f"the worker did not end within {STOP_WITHIN_S} s of SIGTERM and was killed"]
        return [] if code == 0 else [f"the worker ended with {describe_exit(code)} after SIGTERM"]

    def sandboxes(self) -> list[str]:
        """The containers of this worker that the engine knows, running or not."""
        command = ["docker", "ps", "--all", "--filter", f"label=caisson.worker={self.id}", "--format", "{{.Names}}"]
        try:
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        except FileNotFoundError:
            raise DemoFailure("the docker command is not there, and the worker needs the engine it talks to") from None
        except subprocess.CalledProcessError as error:
            raise DemoFailure(f"the container engine does not answer: {error.stderr.strip()}") from None

    def print_log(self) -> None:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        print(f"\nThe worker's last log lines (of {len(lines)}):")
        for line in lines[-LOG_LINES:]:
            print("  " + line)


def describe_exit(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


# --- What a person sees ----------------------------------------------------------------------------------------------


class Progress:
    """A bar on a terminal, a line for each result elsewhere."""

    def __init__(self, total: int):
        self.total, self.done, self.started = total, 0, time.monotonic()
        self.bar = sys.stdout.isatty()
        self.draw("")

    def step(self, example: Example) -> None:
        self.done += 1
        if self.bar:
            self.draw(example.name)
        else:
            print(f"[{self.done:3}/{self.total}] {example.name}: {verdict_of(example.result)}", flush=True)

    def draw(self, label: str) -> None:
        if self.bar:
            filled = 30 * self.done // max(self.total, 1)
            seconds = time.monotonic() - self.started
            line = f" {'█' * filled}{'░' * (30 - filled)} {self.done}/{self.total}  {seconds:.0f} s  {label}"
            print("\r\033[K" + line[: shutil.get_terminal_size().columns - 1], end="", flush=True)

    def finish(self) -> None:
        if self.bar:
            print("\r\033[K", end="", flush=True)


def colour(code: int, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def green(text: str) -> str:
    return colour(32, text)


def red(text: str) -> str:
    return colour(31, text)


def verdict_of(result: dict | None) -> str:
    """The verdict, and the reason of the test that decided it."""
    if result is None:
        return "no result"
    verdict = str(result.get("verdict"))
    deciding = next((test for test in result.get("tests") or [] if test.get("verdict") == verdict), {})
    return f"{verdict} ({deciding['reason']})" if deciding.get("reason") else verdict


def print_table(examples: list[Example]) -> None:
    heads = ["job", "language", "verdict", "expected", "CPU ms", "wall ms", "MiB"]
    rows = []
    for example in examples:
        result = example.result or {}
        steps = list(result.get("tests") or [])
        if result.get("compile"):
            steps.append(result["compile"])
        cpu, wall = (sum(step.get(field) or 0 for step in steps) for field in ("cpu_time_ms", "wall_time_ms"))
        memory = max((step.get("memory_peak_bytes") or 0 for step in steps), default=0) / (1 << 20)
        figures = [f"{cpu:.0f}", f"{wall:.0f}", f"{memory:.1f}"] if cpu or wall or memory else ["-"] * 3
        words = [example.name, example.language, verdict_of(example.result), verdict_of(example.expected)]
        rows.append(words + figures)
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]

    def line(cells: list[str]) -> str:
        left = [cell.ljust(width) for cell, width in zip(cells[:4], widths)]
        right = [cell.rjust(width) for cell, width in zip(cells[4:], widths[4:])]
        return "  ".join(left + right)

    print("\n  " + line(heads) + "\n  " + "─" * len(line(heads)))
    for example, row in zip(examples, rows):
        print(red("✗ " + line(row)) if example.faults else green("✓ ") + line(row))


def print_faults(example: Example) -> None:
    print(red(f"\n✗ {example.name}") + f": {example.shows}")
    for fault in example.faults:
        print(f"  {fault}")
    if example.result is not None:
        print(json.dumps(example.result, indent=2))


def print_report(
    examples: list[Example], worker: Worker, wrong: list[str], took: float, duplicates: int, no_jobs: int
) -> bool:
    """All of it, with whatever helps to find out what went wrong; returns whether nothing did."""
    for example in examples:
        if example.result is None:
            example.faults = ["there was no result"]
    faulty = [example for example in examples if example.faults]
    print_table(examples)
    for example in faulty:
        print_faults(example)
    if faulty or wrong:
        worker.print_log()
    for text in wrong:
        print(red("✗ ") + text)
    counts = collections.Counter(example.result["verdict"] for example in examples if example.result)
    print(f"\n{len(examples) - len(faulty)} of {len(examples)} as expected, in {took:.1f} s")
    print("  " + (", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or "no result at all"))
    if duplicates:
        print(f"{duplicates} result(s) came more than once; the first of each counts")
    if not wrong:
        print("The worker drained and ended; the queues are empty, no container is left.")
        if no_jobs:
            print(f"{no_jobs} message(s) held no job: besides its answer, a copy of each is in the dead-letter queue.")
    return not faulty and not wrong


# --- The run ---------------------------------------------------------------------------------------------------------


class Collection:
    """Gives each example its result."""

    def __init__(self, examples: list[Example]):
        self.by_job = {example.id: example for example in examples}
        self.by_message = {example.message_id: example for example in examples}
        self.missing = {example.name for example in examples}
        self.progress = Progress(len(examples))
        self.duplicates = 0
        self.strangers: list[str] = []

    def add(self, result: dict) -> None:
        # What cannot be parsed has no job_id: only message_id says which message it was.
        example = self.by_job.get(result.get("job_id")) or self.by_message.get(result.get("message_id"))
        if example is None:
            self.strangers.append(f"a result for a job that nobody sent: {shorten(result)}")
        elif example.result is not None:
            self.duplicates += 1
        else:
            example.result = result
            example.faults = differences(example.expected, result)
            self.missing.remove(example.name)
            self.progress.step(example)

    def wait(self, sqs, queue_url: str, worker: Worker, deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        try:
            while self.missing:
                if consume(sqs, queue_url, self.add) == 0:
                    worker.check_alive()
                if self.missing and time.monotonic() > end:
                    names = ", ".join(sorted(self.missing))
                    raise DemoFailure(f"after {deadline_s:g} s there was no result for: {names}")
        finally:
            self.progress.finish()


def run(options: argparse.Namespace, examples: list[Example]) -> int:
    try:  # Only here: --list and --print do without.
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise DemoFailure("boto3 is missing here; scripts/demo.sh runs this with a Python that has it") from None

    if not options.caisson.is_file():
        raise DemoFailure(f"{options.caisson} is not there: `cargo build --release` makes it")
    try:
        sqs = boto3.client("sqs")
    except BotoCoreError as error:
        raise DemoFailure(f"SQS: {error}") from None
    name = f"caisson-demo-{uuid.uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    queues, worker = Queues(sqs, name), Worker(options.caisson, name, folder, options.slots)
    wrong: list[str] = []
    started = time.monotonic()
    try:
        worker.sandboxes()  # None yet; but it asks early whether the engine answers at all.
        queues.create()
        worker.start(queues)
        send(sqs, queues.urls["incoming"], examples)
        print(f"{len(examples)} messages sent; a worker with {options.slots} slots is on them", flush=True)
        collection = Collection(examples)
        try:
            collection.wait(sqs, queues.urls["outgoing"], worker, options.deadline)
        except DemoFailure as failure:
            wrong.append(str(failure))
        took = time.monotonic() - started
        wrong += worker.stop()
        while consume(sqs, queues.urls["outgoing"], collection.add, wait_s=0):
            pass
        wrong += collection.strangers
        no_jobs = sum(example.result is not None and example.result["job_id"] is None for example in examples)
        wrong += queues.leftovers(no_jobs)
        wrong += [f"container {container} is left" for container in worker.sandboxes()]

        return 0 if print_report(examples, worker, wrong, took, collection.duplicates, no_jobs) else 1
    except (BotoCoreError, ClientError) as error:
        raise DemoFailure(f"SQS: {error}") from None
    finally:
        try:
            worker.stop()
        finally:
            if options.keep:
                print(f"\nKept: {folder} and the queues " + ", ".join(queues.urls.values()))
            else:
                shutil.rmtree(folder, ignore_errors=True)
                queues.delete()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Sends the jobs of examples/ to a worker of its own and checks the verdicts that come back.",
        epilog="The AWS SDK's own variables say where SQS is; `scripts/sqs.sh scripts/demo.py` uses a local emulator.",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--list", action="store_true", help="list the examples with their expected verdicts, and end")
    shown.add_argument("--print", metavar="NAME", dest="show", help="print the whole message of one example, and end")
    add = parser.add_argument
    add("--only", metavar="NAME", action="append", default=[], help="only this example, or this group (repeatable)")
    add("--slots", metavar="N", type=int, default=2, help="jobs the worker runs at once (default %(default)s)")
    add("--deadline", metavar="SECONDS", type=float, default=RESULTS_WITHIN_S, help="for all results (default %(default)s)")
    add("--keep", action="store_true", help="keep the queues, the worker's configuration and its log")
    program = ROOT / "target/release/caisson"
    add("--caisson", metavar="PATH", type=Path, default=program, help="the program (default target/release/caisson)")
    return parser.parse_args()


def main() -> int:
    options = parse_options()
    # A SIGTERM cleans up just as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        examples = load_examples()
        if options.list:
            for example in select(examples, options.only):
                print(f"{example.name:36} {example.language:11} {verdict_of(example.expected):24} {example.shows}")
            return 0
        if options.show:
            for example in select(examples, [options.show]):
                if example.language == "-":
                    print(example.body, end="")
                else:
                    print(json.dumps(json.loads(example.body), indent=2, ensure_ascii=False))
            return 0
        return run(options, select(examples, options.only))
    except DemoFailure as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
