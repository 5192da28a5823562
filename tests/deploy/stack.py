"""Deploys the template into the local AWS, and looks at what became of it.

    stack.py check NAME     create, look at every resource's attributes, update, look again, delete, see that all is gone
    stack.py create NAME    create only; prints the outputs as JSON
    stack.py user-data NAME create, print what the instances are told, delete
    stack.py delete NAME

Never a real AWS: without AWS_ENDPOINT_URL on this machine it refuses.
"""

import ast
import base64
import json
import os
import sys

import boto3
from botocore.config import Config

from template import FILE, load

# What moto's CloudFormation makes nothing of. Their properties are held against CloudFormation's own schema by cfn-lint,
# and against what we promise by `not_deployed` below. A type that moto learns has to leave this list, or the test fails.
SKIPPED = {
    "AWS::AutoScaling::ScalingPolicy",
    "AWS::AutoScaling::WarmPool",
    "AWS::CloudWatch::Alarm",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
}

endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
if not endpoint.startswith("http://127.0.0.1:"):
    sys.exit("this deploys rubbish, so it needs the local AWS; run it under scripts/sqs.sh")


def client(service: str):
    # A request that takes long on a busy host is waited for: made again, it would create what is there already.
    patient = Config(read_timeout=600, retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", config=patient)


cloudformation, ec2, sqs, iam = client("cloudformation"), client("ec2"), client("sqs"), client("iam")


def same(what: str, actual, expected) -> None:
    assert actual == expected, f"{what}: {actual!r}, expected {expected!r}"


def parameters(**changed: str) -> list[dict]:
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"] if subnet["VpcId"] == vpc]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    # moto splits lists that it is given, and not a parameter's default.
    lists = {n: p["Default"] for n, p in load()["Parameters"].items() if p["Type"] == "CommaDelimitedList"}
    given = lists | {"ImageId": image, "VpcId": vpc, "SubnetIds": ",".join(subnets[:2])} | changed
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]


def outputs(name: str) -> dict:
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def create(name: str, **changed: str) -> dict:
    cloudformation.create_stack(
        StackName=name, TemplateBody=FILE.read_text(), Parameters=parameters(**changed), Capabilities=["CAPABILITY_IAM"]
    )
    return outputs(name)


def update(name: str, **changed: str) -> dict:
    cloudformation.update_stack(
        StackName=name, TemplateBody=FILE.read_text(), Parameters=parameters(**changed), Capabilities=["CAPABILITY_IAM"]
    )
    return outputs(name)


def delete(name: str) -> None:
    cloudformation.delete_stack(StackName=name)


def resources(name: str) -> dict:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for page in pages for r in page["StackResourceSummaries"]}


def queue(url: str) -> dict:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def look_at_queues(out: dict, max_receive_count: int) -> None:
    arns = {}
    for role in ("Incoming", "Outgoing"):
        main, dead = queue(out[f"{role}QueueUrl"]), queue(out[f"{role}DeadLettersUrl"])
        arns[role] = main["QueueArn"]
        for attributes in (main, dead):
            same("the largest message", attributes["MaximumMessageSize"], "1048576")
            same("long polling", attributes["ReceiveMessageWaitTimeSeconds"], "20")
            same("encryption", attributes["SqsManagedSseEnabled"], "true")
        same("retention", (main["MessageRetentionPeriod"], dead["MessageRetentionPeriod"]), ("345600", "1209600"))
        redrive = json.loads(main["RedrivePolicy"])
        same("the dead-letter queue", redrive["deadLetterTargetArn"], dead["QueueArn"])
        same("maxReceiveCount", int(redrive["maxReceiveCount"]), max_receive_count)
    assert arns["Incoming"] != arns["Outgoing"]


def policy_of(arn: str) -> dict:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return {statement["Sid"]: statement for statement in document["Statement"]}


def allows(statement: dict, actions: set[str], *things: str) -> None:
    """The statement allows exactly these actions on exactly these things."""
    got = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    on = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    same(f"actions of {statement['Sid']}", set(got), actions)
    same(f"resources of {statement['Sid']}", set(on), set(things))


def look_at_permissions(name: str, out: dict, made: dict, bucket: str | None) -> None:
    incoming, outgoing = queue(out["IncomingQueueUrl"])["QueueArn"], queue(out["OutgoingQueueUrl"])["QueueArn"]
    dead = [queue(out[f"{role}DeadLettersUrl"])["QueueArn"] for role in ("Incoming", "Outgoing")]
    take = {"sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    send = {"sqs:SendMessage", "sqs:GetQueueAttributes"}
    role = made["InstanceRole"]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    same("policies attached to the instances' role", attached, [])
    granted = {}
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        if isinstance(document, str):  # moto gives back what Python calls it, which is not JSON
            document = ast.literal_eval(document)
        granted |= {statement["Sid"]: statement for statement in document["Statement"]}
    allows(granted.pop("TakeJobs"), take, incoming)
    allows(granted.pop("PublishResults"), send, outgoing)
    letters = {"ReceiveMessage", "ChangeMessageVisibility", "SendMessage", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl"}
    allows(granted.pop("TendDeadLetters"), {f"sqs:{action}" for action in letters}, dead[0])
    allows(
        granted.pop("OwnLifecycle"),
        {
            "autoscaling:CompleteLifecycleAction",
            "autoscaling:RecordLifecycleActionHeartbeat",
            "autoscaling:SetInstanceHealth",
        },
        f"arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName/{name}",
    )
    log = granted.pop("OwnLog")
    assert log["Resource"].startswith("arn:aws:logs:us-east-1:123456789012:log-group:/caisson/"), log
    if bucket:
        allows(granted.pop("ReadJobs"), {"s3:GetObject"}, *(f"arn:aws:s3:::{bucket}/{part}/*" for part in ("jobs", "data")))
        allows(granted.pop("TellMissingFromForbidden"), {"s3:ListBucket"}, f"arn:aws:s3:::{bucket}")
        allows(granted.pop("WriteResults"), {"s3:PutObject"}, f"arn:aws:s3:::{bucket}/results/*")
    same("what else the instances may do", granted, {})

    producer = policy_of(out["ProducerPolicyArn"])
    allows(producer.pop("SendJobs"), send | {"sqs:GetQueueUrl"}, incoming)
    consumer = policy_of(out["ConsumerPolicyArn"])
    allows(consumer.pop("TakeResults"), take | {"sqs:GetQueueUrl"}, outgoing)
    if bucket:
        allows(producer.pop("UploadWhatIsTooLarge"), {"s3:PutObject"}, f"arn:aws:s3:::{bucket}/jobs/*", f"arn:aws:s3:::{bucket}/data/*")
        allows(consumer.pop("DownloadWhatWasTooLarge"), {"s3:GetObject"}, f"arn:aws:s3:::{bucket}/results/*")
    same("what else producers and consumers may do", (producer, consumer), ({}, {}))
    operator = policy_of(out["DeadLetterPolicyArn"])
    allows(operator["HandleDeadLetters"], take | {"sqs:GetQueueUrl"}, *dead)
    allows(operator["SendThemBack"], send | {"sqs:GetQueueUrl"}, incoming, outgoing)


def look_at_instances(name: str, out: dict, made: dict, bucket: str | None) -> None:
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=made["LaunchTemplate"])["LaunchTemplateVersions"]
    data = max(versions, key=lambda version: version["VersionNumber"])["LaunchTemplateData"]
    metadata = data["MetadataOptions"]
    same("tokens for metadata", metadata["HttpTokens"], "required")
    same("hops to metadata", int(metadata["HttpPutResponseHopLimit"]), 1)
    (disk,) = data["BlockDeviceMappings"]
    same("the disk", (disk["Ebs"]["Encrypted"], disk["Ebs"]["VolumeType"]), (True, "gp3"))
    assert "KeyName" not in data, "nobody logs in, so there is no key"
    (group_id,) = data["SecurityGroupIds"]
    (group,) = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    same("open ports", group["IpPermissions"], [])
    script = base64.b64decode(data["UserData"]).decode()
    for line in (
        f"CAISSON_QUEUE_INCOMING_URL={out['IncomingQueueUrl']}",
        f"CAISSON_QUEUE_OUTGOING_URL={out['OutgoingQueueUrl']}",
        "CAISSON_WORKER_GRACE_PERIOD_S=100",
        f"GROUP_NAME={name}",
        "LAUNCH_HOOK=launch",
        f"LOG_GROUP={out['LogGroupName']}",
        f"CAISSON_INSTANCE_AUTO_SCALING_GROUP={name}",
        f"CAISSON_METRICS_CLOUDWATCH_NAMESPACE=Caisson/{name}",
        f"CAISSON_STORE_RESULTS_BUCKET={bucket or ''}",
    ):
        assert line in script.splitlines(), f"the user data lacks {line}:\n{script}"
    assert "${" not in script, f"something in the user data was not filled in:\n{script}"


def look_at_group(name: str, largest: int) -> None:
    (group,) = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    same("the bounds of the group", (group["MinSize"], group["MaxSize"]), (1, largest))
    mixed = group["MixedInstancesPolicy"]
    spread = mixed["InstancesDistribution"]
    same("the On-Demand base", int(spread["OnDemandBaseCapacity"]), 1)
    same("the share of On-Demand above it", int(spread["OnDemandPercentageAboveBaseCapacity"]), 0)
    same("how Spot pools are chosen", spread["SpotAllocationStrategy"], "price-capacity-optimized")
    kinds = [override["InstanceType"] for override in mixed["LaunchTemplate"]["Overrides"]]
    same("instance types", kinds, [f"{family}.xlarge" for family in ("c6i", "m6i", "c6a", "m6a", "c7i", "m7i")])
    offers = ec2.describe_instance_type_offerings(Filters=[{"Name": "instance-type", "Values": kinds}])
    offered = {offer["InstanceType"] for offer in offers["InstanceTypeOfferings"]}
    assert len(offered) >= 4, f"of {kinds} only {offered} are offered"


def look_at_bucket(bucket: str) -> None:
    s3 = client("s3")
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    same("the bucket's encryption", rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256")


def look_at_the_rest(name: str, out: dict) -> None:
    groups = client("logs").describe_log_groups(logGroupNamePrefix=out["LogGroupName"])["logGroups"]
    same("how long logs are kept", [group["retentionInDays"] for group in groups], [30])
    body = json.loads(client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    text = json.dumps(body)
    assert "${" not in text, "something in the dashboard was not filled in"
    for word in (f"{name}-jobs", f"{name}-jobs-dead", f"Caisson/{name}"):
        assert word in text, f"the dashboard doesn't show {word}"
    assert len(body["widgets"]) >= 6


def not_deployed(template: dict) -> None:
    """What moto skips, judged by the template."""
    of = {name: resource["Properties"] for name, resource in template["Resources"].items()}
    hooks = {hook["LifecycleTransition"].split("_")[-1]: hook for hook in of["Group"]["LifecycleHookSpecificationList"]}
    same("a launch without a word", hooks["LAUNCHING"]["DefaultResult"], "ABANDON")
    same("a termination without a word", hooks["TERMINATING"]["DefaultResult"], "CONTINUE")
    grace = template["Parameters"]["GraceSeconds"]["Default"]
    assert hooks["TERMINATING"]["HeartbeatTimeout"] > grace, "the hook gives up before the worker's grace period ends"
    # moto makes a group's rules for coming in only.
    ways = of["SecurityGroup"]["SecurityGroupEgress"]
    same("ways out", [(way["IpProtocol"], way["FromPort"], way["ToPort"]) for way in ways], [("tcp", 443, 443)])
    assert "Group" in json.dumps(of["SuspendRebalancing"]) and "AZRebalance" in json.dumps(of["SuspendRebalancing"])
    # A sick instance stays until another one is in service, so that a bad image doesn't empty the group.
    same("health while one is replaced", of["Group"]["InstanceMaintenancePolicy"]["MinHealthyPercentage"], 100)
    same("rebalancing", of["Group"]["CapacityRebalance"]["Fn::If"][2], True)
    # moto makes a bucket with its encryption only.
    bucket = of["PayloadBucket"]
    same("public access", set(bucket["PublicAccessBlockConfiguration"].values()), {True})
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    same("expiry", (rule["Status"], rule["ExpirationInDays"]), ("Enabled", {"Ref": "BucketExpiryDays"}))
    queues = {name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::SQS::Queue"}
    guarded = {p["Queues"][0]["Ref"] for p in of.values() if "Queues" in p and "SecureTransport" in json.dumps(p)}
    same("queues that refuse plain connections", guarded, queues)
    watched = {name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
    for alarm in watched:
        told = json.dumps(of[alarm]["AlarmActions"])
        assert "HasTopic" in told or alarm in ("BurstAlarm", "WakeAlarm"), f"{alarm} tells nobody"
        assert of[alarm]["TreatMissingData"] == "notBreaching"
    cards = (FILE.parent.parent / "docs" / "operations.md").read_text()
    for alarm in watched - {"BurstAlarm", "WakeAlarm"}:
        card = of[alarm]["AlarmDescription"].split('"')[1]
        assert f"### {card}\n" in cards, f"docs/operations.md has no card “{card}” for {alarm}"


def gone(name: str, made: dict, kept: set[str]) -> None:
    names = [url.rsplit("/", 1)[1] for url in sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", [])]
    same("queues that stayed", names, [])
    groups = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    same("groups that stayed", groups, [])
    roles = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    assert made["InstanceRole"] not in roles, "the role stayed"
    buckets = {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}
    assert kept <= buckets, f"the bucket went with the stack, and with it what was in it: {buckets}"


def check(name: str) -> None:
    template = load()
    not_deployed(template)
    out = create(name, Bucket="create")
    made = resources(name)
    missing = {template["Resources"][n]["Type"] for n, r in template["Resources"].items() if n not in made and r.get("Condition") != "IsWarm"}
    same("types that were not made", missing, SKIPPED - {"AWS::AutoScaling::WarmPool"})
    bucket = out["BucketName"]
    look_at_queues(out, 5)
    look_at_permissions(name, out, made, bucket)
    look_at_instances(name, out, made, bucket)
    look_at_group(name, 10)
    look_at_bucket(bucket)
    look_at_the_rest(name, out)

    # An update keeps the queues with what is in them, moves the ceiling. (moto itself updates nothing of a
    # queue but its timeouts, and no launch template, so no more than that can be seen here.)
    sqs.send_message(QueueUrl=out["IncomingQueueUrl"], MessageBody="a job")
    after = update(name, Bucket="create", MaxInstances="25")
    same("outputs after the update", after, out)
    same("jobs after the update", queue(out["IncomingQueueUrl"])["ApproximateNumberOfMessages"], "1")
    look_at_queues(out, 5)
    look_at_group(name, 25)
    delete(name)
    gone(name, made, {bucket})
    client("s3").delete_bucket(Bucket=bucket)

    # With no bucket nothing may mention one.
    plain = f"{name}-plain"
    out = create(plain)
    made = resources(plain)
    assert "BucketName" not in out and "PayloadBucket" not in made
    look_at_permissions(plain, out, made, None)
    look_at_instances(plain, out, made, None)
    delete(plain)
    gone(plain, made, set())


if __name__ == "__main__":
    action, name = sys.argv[1:3]
    if action == "check":
        check(name)
    elif action == "create":
        print(json.dumps(create(name)))
    elif action == "user-data":
        create(name, Bucket="create")
        template_id = resources(name)["LaunchTemplate"]
        (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=template_id)["LaunchTemplateVersions"]
        print(base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode())
        delete(name)
    elif action == "delete":
        delete(name)
    else:
        sys.exit(__doc__)
