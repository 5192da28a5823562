"""AWS's own reader and writer of messages whose body is in S3: what it sends we must take, what we send it must read.

    extended_client.py send QUEUE_URL BUCKET     the body comes by stdin
    extended_client.py receive QUEUE_URL         the body goes to stdout
"""

import sys

import boto3
import sqs_extended_client  # noqa: F401  It changes boto3's SQS client by being imported.

sqs = boto3.client("sqs")
command, queue = sys.argv[1:3]
if command == "send":
    sqs.large_payload_support = sys.argv[3]
    sqs.send_message(QueueUrl=queue, MessageBody=sys.stdin.read())
else:
    messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MaxNumberOfMessages=1).get("Messages", [])
    if not messages:
        sys.exit("there is no message")
    sys.stdout.write(messages[0]["Body"])
