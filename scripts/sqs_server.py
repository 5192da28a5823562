"""The SQS (and S3) of scripts/sqs.sh: moto on a port that the kernel picks, so that two runs never collide. Where the
tools of the `deploy` group are installed, it deploys CloudFormation templates too.

Prints its address once it answers. Dies with the script that started it (its process id is the argument), even when that
is killed outright.
"""

import ctypes
import functools
import logging
import os
import signal
import sys
import threading
import urllib.request

PR_SET_PDEATHSIG = 1


def remove_no_value_from_lists() -> None:
    """CloudFormation takes AWS::NoValue out of lists; moto leaves a null there, and then refuses the policy it stands in."""
    try:
        from moto.cloudformation import parsing
    except ImportError:  # the `deploy` group is not installed: nobody deploys
        return
    original = parsing.clean_json

    def clean_json(value, resources):
        if isinstance(value, list):
            return [cleaned for cleaned in (clean_json(item, resources) for item in value) if cleaned is not None]
        return original(value, resources)

    parsing.clean_json = clean_json


def serialize_what_changes_a_queue() -> None:
    """moto's threads change a queue's list of messages without its lock: of two deletions at one moment, one brings back what
    the other has deleted, two receives at one moment hand out the same message, and a message that is handed out while the
    messages are counted counts twice. Each takes the lock here; a long poll gives it up while it waits."""
    from moto.sqs.models import SQSBackend

    def locked(original):
        @functools.wraps(original)
        def method(self, queue_name, *args, **kwargs):
            with self.get_queue(queue_name)._messages_lock:
                return original(self, queue_name, *args, **kwargs)

        return method

    for name in ("receive_message", "change_message_visibility", "delete_message", "get_queue_attributes"):
        setattr(SQSBackend, name, locked(getattr(SQSBackend, name)))


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the script that started the server is gone")
    # Ctrl-C is for the command beside us; the script ends us when that is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    from moto.server import ThreadedMotoServer
    from werkzeug.serving import WSGIRequestHandler

    # Connections are kept, as SQS itself keeps them.
    WSGIRequestHandler.protocol_version = "HTTP/1.1"

    remove_no_value_from_lists()
    serialize_what_changes_a_queue()
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    # Straight to it, whatever proxy the environment names.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{address}/moto-api/data.json", timeout=600) as answer:
        answer.read()
    print(address, flush=True)
    threading.Event().wait()


main()
