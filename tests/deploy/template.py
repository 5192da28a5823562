"""The CloudFormation template as data, and what of it can be judged without deploying it.

    template.py lint       cfn-lint, permissions, and the refusal of bad parameters
    template.py policy     the scaling policy as JSON, for the test that plays it

`load.json` has cases of the load by which the fleet is scaled: this file holds the template's expressions against them, and
src/simulate/policy.rs the simulation's.
"""

import json
import re
import sys
from pathlib import Path

from cfnlint.decode import cfn_yaml

FILE = Path(__file__).resolve().parents[2] / "deploy" / "caisson.yaml"

# What CloudFormation itself needs before it looks at anything else; the values are shaped as real ones are.
NEEDED = {
    "ImageId": "ami-0123456789abcdef0",
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
}

# Wildcards that a resource may have: the objects of a bucket or of one of its folders, and the random part of a group's
# ARN, which comes before its name.
SCOPED = re.compile(r"(^[^*]+/\*$)|(autoScalingGroup:\*:autoScalingGroupName/[^*]+$)")


def load() -> dict:
    return json.loads(json.dumps(cfn_yaml.load(str(FILE)), default=str))


def refused(template: dict, given: dict) -> str | None:
    """Why CloudFormation refuses these parameters, in the words a person gets; None when it takes them."""
    values = {}
    for name, parameter in template["Parameters"].items():
        value = given.get(name, NEEDED.get(name, parameter.get("Default")))
        if value is None:
            return f"{name} is needed"
        values[name] = str(value)
        for element in values[name].split(",") if "List" in parameter["Type"] else [values[name]]:
            if not fits(parameter, element):
                return f"{name}: {parameter['ConstraintDescription']}"
    for rule in template["Rules"].values():
        if "RuleCondition" in rule and not holds(rule["RuleCondition"], values):
            continue
        for assertion in rule["Assertions"]:
            if not holds(assertion["Assert"], values):
                return assertion["AssertDescription"]
    return None


def fits(parameter: dict, value: str) -> bool:
    """One value against one parameter's constraints."""
    if parameter["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            return False
        if not parameter.get("MinValue", number) <= number <= parameter.get("MaxValue", number):
            return False
    if "AllowedValues" in parameter and value not in map(str, parameter["AllowedValues"]):
        return False
    return re.search(parameter.get("AllowedPattern", ""), value) is not None


def holds(condition: dict, values: dict) -> bool:
    """A rule's condition, for the functions that our rules use."""
    ((function, arguments),) = condition.items()
    if function == "Fn::Equals":
        first, second = (values[a["Ref"]] if isinstance(a, dict) else a for a in arguments)
        return first == second
    if function == "Fn::Not":
        return not holds(arguments[0], values)
    if function == "Fn::Or":
        return any(holds(argument, values) for argument in arguments)
    if function == "Fn::EachMemberIn":
        members, allowed = arguments
        if "Fn::ValueOfAll" in members:  # asks EC2, so only CloudFormation itself can tell
            return True
        return all(member in allowed for member in values[members["Fn::RefAll"]].split(","))
    raise AssertionError(f"a rule uses {function}, which this test can't judge")


def statements(template: dict):
    """Every statement of every policy, with the resource that has it."""
    def walk(name, node):
        if isinstance(node, dict):
            if "Effect" in node:
                yield name, node
            for value in node.values():
                yield from walk(name, value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(name, value)

    for name, resource in template["Resources"].items():
        yield from walk(name, resource)


def texts(node) -> list[str]:
    """The strings of a value that may be one, a list, or a function of one."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, list):
        return [text for item in node for text in texts(item)]
    ((_, argument),) = node.items()
    return [argument] if isinstance(argument, str) else [".".join(map(str, argument))]


def permission_problems(template: dict) -> list[str]:
    """What is wider than least privilege, in any policy that the template makes."""
    problems = []
    for name, statement in statements(template):
        where = f"{name}, {statement.get('Sid', 'a statement without Sid')}"
        problems += [f"{where}: {word} can't be judged" for word in ("NotAction", "NotResource", "NotPrincipal") if word in statement]
        if statement["Effect"] == "Deny":
            continue
        if statement.get("Principal") not in (None,) and "Service" not in statement["Principal"]:
            problems.append(f"{where}: allows anybody but a service to assume it")
        for action in texts(statement["Action"]):
            if "*" in action:
                problems.append(f"{where}: the action {action} is a wildcard")
        if statement["Action"] == "sts:AssumeRole":
            continue
        for resource in texts(statement["Resource"]):
            if "*" in resource and not SCOPED.search(resource):
                problems.append(f"{where}: the resource {resource} is wider than one thing")
    return problems


BAD_PARAMETERS = [
    ({"ImageId": "debian-13"}, "ImageId: give the image's id"),
    ({"VpcId": "default"}, "VpcId: give the id of a VPC"),
    ({"SubnetIds": "subnet-0123456789abcdef0,eu-central-1a"}, "SubnetIds: give ids of subnets"),
    ({"InstanceFamilies": "t3,t3a,m6i,c6i,m6a,c6a"}, "InstanceFamilies: give six families"),
    ({"InstanceFamilies": "c6i,m6i,c6a,m6a,c7g,m7g"}, "InstanceFamilies mixes x86-64 with arm64"),
    ({"InstanceSize": "metal"}, "InstanceSize: take large"),
    ({"CpusPerSlot": "4"}, "CpusPerSlot: take 1 or 2"),
    ({"MinInstances": "-1"}, "MinInstances: give a whole number from 0"),
    ({"MinInstances": "0"}, "MinInstances = 0 makes the first job after a quiet time wait"),
    ({"MaxInstances": "0"}, "MaxInstances: give a whole number from 1"),
    ({"OnDemandBase": "0"}, "OnDemandBase: give a whole number from 1 on"),
    ({"WarmInstances": "2"}, "EC2 keeps no Spot instances in a warm pool"),
    ({"TargetLoad": "1.5"}, "TargetLoad: give a number from 0.1 to 0.95"),
    ({"TargetBacklogPerSlot": "0"}, "TargetBacklogPerSlot: give a number from 1"),
    ({"TargetBacklogPerSlot": "five"}, "TargetBacklogPerSlot: give a number from 1"),
    ({"MaxReceiveCount": "1"}, "MaxReceiveCount: give a whole number from 5"),
    ({"RetentionSeconds": "60"}, "RetentionSeconds: give seconds from 86400"),
    ({"KmsKeyArn": "alias/mine"}, "KmsKeyArn: leave it empty, or give a key's ARN"),
    ({"BucketExpiryDays": "3"}, "BucketExpiryDays: give days from 14"),
    ({"AlarmTopicArn": "me@example.org"}, "AlarmTopicArn: leave it empty, or give a topic's ARN"),
    ({"VolumeGiB": "8"}, "VolumeGiB: give a whole number from 12"),
    ({"GraceSeconds": "86400"}, "GraceSeconds: give seconds from 0 to 3600"),
    ({"LogRetentionDays": "10"}, "LogRetentionDays: take one of the numbers"),
]
GOOD_PARAMETERS = [
    {},
    {"MinInstances": "0", "AcceptColdStart": "yes"},
    {"WarmInstances": "2", "OnDemandPercentage": "100"},
    {"InstanceFamilies": "c6g,m6g,c7g,m7g,c8g,m8g"},
    {"KmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef", "Bucket": "create"},
]


# Bytes of a template that is sent with the request itself, CloudFormation's quota.
LARGEST = 51_200

# Each of these must be found, or the judge of permissions is worth nothing.
TOO_WIDE = [
    {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:::jobs"},
    {"Effect": "Allow", "Action": ["sqs:SendMessage", "*"], "Resource": "arn:aws:sqs:::jobs"},
    {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"},
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/*"},
    {"Effect": "Allow", "Action": "autoscaling:SuspendProcesses", "Resource": {"Fn::Sub": "arn:aws:autoscaling:::autoScalingGroup:*"}},
    {"Effect": "Allow", "NotAction": "iam:*", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:::jobs"},
    {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:::jobs"},
]


def evaluate(metrics: list[dict], seen: dict, given: dict) -> float:
    """What CloudWatch makes of these metrics' expressions for one moment. `seen` are the metrics' values, None where there is none."""
    functions = {
        "FILL": lambda value, filler: (None if filler == "REPEAT" else filler) if value is None else value,
        "IF": lambda condition, then, otherwise: then if condition else otherwise,
        "REPEAT": "REPEAT",
    }
    values = dict(seen)
    for metric in metrics:
        if "Expression" in metric:
            text = metric["Expression"]
            text = text if isinstance(text, str) else text["Fn::Sub"]
            text = text if isinstance(text, str) else text[0]
            for name, value in given.items():
                text = text.replace("${" + name + "}", str(value))
            values[metric["Id"]] = eval(text, {"__builtins__": {}}, functions | values)  # noqa: S307, our own template
    (returned,) = [metric["Id"] for metric in metrics if metric["ReturnData"]]
    return values[returned]


def load_problems(template: dict) -> list[str]:
    """Where one of the expressions says another load than the cases do."""
    resources, problems = template["Resources"], []
    tracking = resources["FollowBacklog"]["Properties"]["TargetTrackingConfiguration"]["CustomizedMetricSpecification"]["Metrics"]
    burst = resources["BurstAlarm"]["Properties"]["Metrics"]
    for case in json.loads((Path(__file__).parent / "load.json").read_text()):
        seen = {
            "waiting": case["waiting"] or None,  # SQS says nothing of a queue that has been empty for long
            "working": case["in_flight"] or None,
            "instances": case["instances"],
            "used": case["utilisation"],
            "held": case["held_up"],
        }
        given = {"Slots": case["slots"], "TargetBacklogPerSlot": 10, "TargetLoad": 0.8}
        for what, metrics, times in (("tracking", tracking, 1), ("burst", burst, 0.8)):
            load = evaluate(metrics, seen, given) * times
            if abs(load - case["load"]) > 1e-9:
                problems.append(f"{what}, {case['about']}: the load is {load}, expected {case['load']}")
    return problems


def lint() -> list[str]:
    import cfnlint.api

    for statement in TOO_WIDE:
        assert permission_problems({"Resources": {"Sample": {"Properties": statement}}}), f"{statement} passes"
    template = load()
    # Three regions that differ in what they offer.
    config = cfnlint.api.ManualArgs(regions=["us-east-1", "eu-central-1", "ap-southeast-1"])
    problems = [str(match) for match in cfnlint.api.lint_file(FILE, config)]
    problems += permission_problems(template) + load_problems(template)
    if (size := FILE.stat().st_size) > LARGEST:
        problems.append(f"{size} bytes: `aws cloudformation deploy` takes at most {LARGEST} without a bucket")
    for given, words in BAD_PARAMETERS:
        answer = refused(template, given)
        if answer is None or not answer.startswith(words):
            problems.append(f"{given} should be refused with “{words}…”, and the answer is: {answer}")
    for given in GOOD_PARAMETERS:
        answer = refused(template, given)
        if answer is not None:
            problems.append(f"{given} should be taken, and is refused: {answer}")
    for name, parameter in template["Parameters"].items():
        # Without the second, CloudFormation's refusal quotes a regular expression at its reader.
        problems += [f"{name} has no {key}" for key in ("Description", "ConstraintDescription") if key not in parameter]
    return problems


def policy(template: dict) -> dict:
    """The scaling policy as numbers, with the parameters' defaults."""
    resources, defaults = template["Resources"], {n: p.get("Default") for n, p in template["Parameters"].items()}
    tracking = resources["FollowBacklog"]["Properties"]["TargetTrackingConfiguration"]
    burst = resources["Burst"]["Properties"]
    alarm = resources["BurstAlarm"]["Properties"]
    return {
        "target": float(defaults[tracking["TargetValue"]["Ref"]]),
        "backlog_per_slot": float(defaults["TargetBacklogPerSlot"]),
        "burst_from": float(alarm["Threshold"]),
        "burst_least": int(burst["MinAdjustmentMagnitude"]),
        "burst_steps": [
            {"from": float(step["MetricIntervalLowerBound"]), "percent": int(step["ScalingAdjustment"])}
            for step in burst["StepAdjustments"]
        ],
        "wake_by": int(resources["Wake"]["Properties"]["StepAdjustments"][0]["ScalingAdjustment"]),
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["policy"]:
        print(json.dumps(policy(load())))
    elif sys.argv[1:] == ["lint"]:
        found = lint()
        print(*found, sep="\n", end="" if not found else "\n", file=sys.stderr)
        sys.exit(1 if found else 0)
    else:
        sys.exit(__doc__)
