//! THE table of settings. A new setting is a field in [`Config`](super::Config) and a row here; the reference, the schema,
//! the variable and the checks come by themselves.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::rules::{ADDRESS, FILTER, ID, NAMESPACE, SOCKET, URL, WEIGHTED_URL, WORD};
use super::setting::{Access, Fallback, LimitTable, Setting};
use crate::language::{IMAGE, limit_kind};
use crate::limits::{LIMIT_FIELDS, LimitField, Limits};
use crate::plan::LONGEST_MS;
use crate::strict_toml::{Field, Kind, Value};

/// Every setting, in the order of the documentation: table by table, the top of the file first.
pub fn settings() -> &'static [Setting] {
    static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(rows);
    &SETTINGS
}

/// The tables in the order of the documentation, each with a sentence about it.
pub const TABLES: [(&str, &str); 15] = [
    ("", "These stand at the top of the file, before the first table."),
    ("queue", "The SQS queues. Region and credentials come from where every AWS tool takes them."),
    ("worker", "How much one worker does at a time, and how it ends."),
    ("sandbox", "The container engine, and what every container gets from it."),
    (
        "pool",
        "Containers made ahead of their jobs, by workers and `caisson run --jobs`. docs/pool.md tells how it works.",
    ),
    (
        "compile_cache",
        "Compile results kept in memory, so that a worker compiles the same sources once. [compile-cache.md](compile-cache.md) \
     tells what is kept, and what that shows to whom.",
    ),
    (
        "instance",
        "The EC2 instance that a worker runs on: how it learns of the instance's end, and what follows. Off EC2 none of \
     this does anything. docs/drain.md has the whole of it.",
    ),
    (
        "limits",
        "What a run may use when the job doesn't say. A job's own `limits` go before these, and so do its language's. The \
     defaults suit exercises and contests, where a program that takes longer or more is mostly a wrong one.",
    ),
    (
        "compile_limits",
        "The same for the compile step. Compilers take more time and memory than most of what they compile.",
    ),
    (
        "maximum",
        "The most that a job may ask for, for either kind of step. With the defaults no test holds a \
     slot for more than five minutes.",
    ),
    (
        "store",
        "Data in S3: jobs and results that are too large for a message, and data that jobs refer to. Without a bucket \
     none of it is used. [large-data.md](large-data.md) tells how it works and which permissions it takes.",
    ),
    ("images", "Images that jobs may name beyond those of the languages."),
    ("log", "The worker's own log, on stderr."),
    ("http", "What a worker answers to probes and scrapers: `/healthz`, `/readyz` and `/metrics`."),
    ("metrics", "Metrics that are sent rather than fetched; what there is stands in [metrics.md](metrics.md)."),
];

macro_rules! setting {
    ($table:ident.$name:ident, $kind:expr, $fallback:expr, $doc:expr) => {
        Setting {
            table: stringify!($table),
            name: stringify!($name),
            kind: $kind,
            fallback: $fallback,
            doc: Cow::Borrowed($doc),
            access: Access::Field {
                get: |config| config.$table.$name.value(),
                set: |config, value| config.$table.$name.assign(value),
            },
        }
    };
}

mod compile_cache;
mod instance;
mod pool;
mod store;

fn rows() -> Vec<Setting> {
    let mut rows = vec![above_maximum()];
    rows.extend(edges());
    rows.extend(pool::rows());
    rows.extend(compile_cache::rows());
    rows.extend(instance::rows());
    for table in LimitTable::ALL {
        rows.extend(LIMITS.iter().map(|field| limit(table, field)));
    }
    rows.extend(store::rows());
    rows.extend(rest());
    rows
}

fn above_maximum() -> Setting {
    Setting {
        table: "",
        name: "above_maximum",
        kind: Kind::Choice(&["refuse", "clamp"]),
        fallback: Fallback::Value(Value::Text("refuse".to_owned())),
        doc: Cow::Borrowed(
            "What happens to a job that asks for more than `[maximum]` allows. `refuse` answers it `rejected` and names the \
             limit; `clamp` runs it under the maximum, and the result's `limits` say so. Refusing is the default because a \
             program judged under other limits than its author set gets a verdict nobody meant.",
        ),
        access: Access::Field {
            get: |config| config.limits.above_maximum.value(),
            set: |config, value| config.limits.above_maximum.assign(value),
        },
    }
}

fn edges() -> [Setting; 21] {
    [
        setting!(
            queue.incoming_url,
            Kind::Text(URL),
            Fallback::Words("none, and a worker doesn't start without it"),
            "The URL of the queue that jobs come from, standard or FIFO. There is no default, because a wrong guess would \
             take other people's messages. Commands that run a single job on this host don't need it."
        ),
        setting!(
            queue.incoming_urls,
            Kind::List { rule: WEIGHTED_URL, least: 0 },
            Fallback::Value(Value::List(Vec::new())),
            "Several queues that jobs come from, in place of `queue.incoming_url`: \
             `[\"https://…/interactive weight=4\", \"https://…/batch\"]`. Without a weight it is 1. While several have \
             messages, they share the slots by weight; a queue without any gives its share away, and none starves. The \
             first of two with one weight comes first. [queues.md](queues.md) says more."
        ),
        setting!(
            queue.outgoing_url,
            Kind::Text(URL),
            Fallback::Words("none, and a worker doesn't start without it"),
            "The URL of the queue that results go to, standard or FIFO, whatever the incoming one is. It cannot be the \
             incoming queue: the worker would take its own results for jobs."
        ),
        setting!(
            queue.visibility_timeout_s,
            Kind::Integer { least: 10, most: 43_200 },
            Fallback::Value(Value::Integer(60)),
            "How many seconds a message stays hidden from other workers without a sign of life. The heartbeat renews it \
             for as long as the job runs, so it need not cover the longest job: it is the time after which another worker \
             takes over the job of one that vanished. A minute is short for whoever waits, and leaves room for several \
             renewals to fail. The queue's own setting is not used. The upper end is that of SQS."
        ),
        setting!(
            queue.wait_time_s,
            Kind::Integer { least: 0, most: 20 },
            Fallback::Value(Value::Integer(20)),
            "How many seconds one receive waits for a message (long polling). 20, the most that SQS offers, makes the fewest \
             empty receives and costs no latency: a message that arrives ends the wait. Less is of use in tests only."
        ),
        setting!(
            queue.copy_unparsable,
            Kind::Bool,
            Fallback::Value(Value::Bool(true)),
            "Whether a message in which no job was found is copied, with the reason, to the dead-letter queue of its incoming \
             queue before it is deleted. Its answer has no job id, so nobody may be waiting for it, and without the copy \
             there would be nothing to look at. Where there is no dead-letter queue nothing is copied."
        ),
        setting!(
            queue.answer_dead_letters,
            Kind::Bool,
            Fallback::Value(Value::Bool(true)),
            "Whether a worker looks through the dead-letter queue of its incoming queue, about twice a minute, for messages that SQS \
             moved there and nobody answered: those whose last worker died, say. Each is answered `internal_error`, and marked by the \
             attribute `caisson_answered`. Without it a worker doesn't run a job on its last receipt, but keeps that for the answer. \
             [operations.md](operations.md) names the permissions."
        ),
        setting!(
            worker.id,
            Kind::Text(ID),
            Fallback::Words("made from the host's name"),
            "The name of this worker in results, logs and on its containers. Two workers on one engine must not share \
             one: at its start a worker removes what an earlier one of its name left behind. So a worker doesn't start while another \
             of its name runs on the host, and `caisson run` takes a name of its own then. Workers that run in containers without \
             `--network host` don't see each other; take care there. The default is another one at each start."
        ),
        setting!(
            worker.slots,
            Kind::Integer { least: 1, most: 512 },
            Fallback::Words("the number of physical cores that the worker may use"),
            "How many jobs run at the same time. One for each core keeps a program's times free of its neighbours; more would \
             finish jobs sooner only where they mostly wait. Where two threads share a core, the second stays idle: two \
             programs on one core slow each other down, and can watch each other through its caches. With more slots than \
             cores each has a thread, with more than there are threads nothing is pinned. Only cores count that the \
             worker's affinity allows, and a CPU quota of its control group makes them fewer."
        ),
        setting!(
            worker.memory_bytes,
            Kind::Integer { least: 64 << 20, most: 1 << 50 },
            Fallback::Words("80 % of the host's memory"),
            "The memory that all live sandboxes may have together, each counted with its limit. A job is received only when \
             its share is free, so a host never runs out because many jobs are large at once. The fifth that is left is for \
             the worker, the engine and the kernel. It cannot be less than `maximum.memory_bytes`, or a job could be \
             allowed and never start."
        ),
        setting!(
            worker.grace_period_s,
            Kind::Integer { least: 0, most: 3_600 },
            Fallback::Value(Value::Integer(100)),
            "How many seconds running jobs may go on after the first signal to stop. Past it they are killed and their \
             messages become visible at once, for another worker. A Spot instance has two minutes from notice to end: 100 \
             seconds of them for the jobs, the rest for publishing and clearing away."
        ),
        setting!(
            worker.max_job_wall_s,
            Kind::Integer { least: 1, most: LONGEST_MS / 1_000 },
            Fallback::Value(Value::Integer(1_800)),
            "How many seconds of wall time the compile step and all tests of a job may take together; what the host keeps them \
             waiting doesn't count. A test for whose own limit there isn't time any more is `skipped`, and so are those behind it, \
             with the reason `job_wall`. Half an hour is far above what a job takes that anybody waits for, and bounds for how long a \
             hostile one holds a slot. It has to hold a compile step and a test of `maximum.wall_time_ms` each; when only that is raised, \
             it makes room for it. The upper end is what is left of the 12 hours for which SQS lends a message."
        ),
        setting!(
            worker.minimum_free_bytes,
            Kind::Integer { least: 0, most: 1 << 50 },
            Fallback::Value(Value::Integer(1 << 30)),
            "How many bytes must be free on the disk where the engine keeps its containers. Below that no job is taken, for \
             creating and starting containers would fail. A container takes a few hundred kilobytes there, whatever its \
             job does; a GiB is what images, logs and updates of the host take by surprise. 0 looks at nothing. Skipped, \
             and said once, where the worker can't see that disk because it runs in a container itself."
        ),
        setting!(
            worker.minimum_free_inodes,
            Kind::Integer { least: 0, most: 1 << 50 },
            Fallback::Value(Value::Integer(10_000)),
            "The same for inodes, of which a container takes a few dozen. Not looked at on file systems that make them as \
             they go, as btrfs does."
        ),
        setting!(
            worker.languages,
            Kind::List { rule: WORD, least: 0 },
            Fallback::Value(Value::List(Vec::new())),
            "The languages that jobs may name on this worker; none means all that come with Caisson or stand under `[languages]`. A \
             worker takes in no jobs while the engine lacks the image of one of them, so leave out those whose images you don't build."
        ),
        setting!(
            sandbox.engine_socket,
            Kind::Text(SOCKET),
            Fallback::Words("`DOCKER_HOST`, else `/var/run/docker.sock`"),
            "The engine's socket. Whoever can write to it is root on the host, so the worker should be the only one that can."
        ),
        setting!(
            sandbox.runtime,
            Kind::Text(WORD),
            Fallback::Words("the engine's own default"),
            "The engine's name for the runtime that starts containers, such as `runc`, `crun`, `runsc` (gVisor) or a Kata \
             one. It has to be set up in the engine; `caisson doctor` tries it."
        ),
        setting!(
            sandbox.first_uid,
            Kind::Integer { least: 1_000, most: 4_294_967_000 },
            Fallback::Value(Value::Integer(20_000)),
            "The first of the uids that programs run with. No two live sandboxes share one, because the kernel keeps quotas \
             for each uid across containers. 20 000 lies above the people and services of an ordinary host, and below the \
             ranges that systemd and user namespaces take."
        ),
        setting!(
            sandbox.uids,
            Kind::Integer { least: 100, most: 1_000_000_000 },
            Fallback::Value(Value::Integer(10_000)),
            "How many uids there are from `sandbox.first_uid` on. Each worker of a host claims enough of them for its slots, \
             in blocks of 16, so the range has to hold all workers of the host. At least twice `worker.slots`."
        ),
        setting!(
            sandbox.pin_cpus,
            Kind::Bool,
            Fallback::Value(Value::Bool(true)),
            "Whether each slot has a CPU of its own, on a core that no other slot uses while there are enough. Pinned programs cannot slow each other down by moving about, so times \
             are repeatable. Turn it off where something else pins CPUs already."
        ),
        setting!(
            sandbox.recycle,
            Kind::Bool,
            Fallback::Value(Value::Bool(false)),
            "Whether a container of the pool is started again for a later job when its job has ended in order, instead of being \
             removed and created anew. The engine gives it new namespaces, new tmpfs mounts and a new control group at each \
             start; its id, its uid and its CPU stay. That saves creating and removing it for each job. It is off \
             by default because one container for one job is the simpler promise. Needs the pool. \
             [pool.md](pool.md#recycling) says more."
        ),
    ]
}

fn rest() -> [Setting; 6] {
    [
        setting!(
            images.allow,
            Kind::List { rule: IMAGE, least: 0 },
            Fallback::Value(Value::List(Vec::new())),
            "The references that a job's `image` may name, letter by letter. None by default: an image is code that runs on \
             your hosts, if only in a sandbox. The images of the languages need no entry."
        ),
        setting!(
            log.format,
            Kind::Choice(&["auto", "json", "text"]),
            Fallback::Value(Value::Text("auto".to_owned())),
            "How a log line looks. `auto` is text on a terminal and JSON elsewhere, which is what a person and a log store \
             each read best."
        ),
        setting!(
            log.level,
            Kind::Text(FILTER),
            Fallback::Value(Value::Text("info".to_owned())),
            "What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or directives for single modules such as \
             `info,caisson::queue=debug`. `info` tells of each job once."
        ),
        setting!(
            http.listen,
            Kind::Text(ADDRESS),
            Fallback::Words("none, and a worker doesn't listen"),
            "Where a worker answers `/healthz`, `/readyz` and `/metrics` over HTTP, without encryption and for whoever asks. \
             There is no default, because two workers of one host can't share a port, and nobody should find one open who \
             didn't ask for it. `127.0.0.1:9464` is a good choice for an agent on the same host. A port in use is an error \
             at the start."
        ),
        setting!(
            metrics.cloudwatch,
            Kind::Bool,
            Fallback::Value(Value::Bool(false)),
            "Whether a worker writes its metrics to stdout each minute, as a line that CloudWatch Logs understands (its \
             embedded metric format). Worth something only where stdout goes there, hence off. The log is on stderr; both \
             may go to the same stream."
        ),
        setting!(
            metrics.cloudwatch_namespace,
            Kind::Text(NAMESPACE),
            Fallback::Value(Value::Text("Caisson".to_owned())),
            "The namespace of these metrics in CloudWatch. There are no dimensions, for each costs money by its values, so \
             two fleets in one account need two namespaces, such as `Caisson/exams`."
        ),
    ]
}

static LIMITS: [LimitField; 9] = LIMIT_FIELDS;

fn limit(table: LimitTable, field: &'static LimitField) -> Setting {
    let default = match table {
        LimitTable::Run => Limits::RUN,
        LimitTable::Compile => Limits::COMPILE,
        LimitTable::Maximum => Limits::MAXIMUM,
    };
    let about = limit_doc(field.name);
    let more = match (table, field.name) {
        (LimitTable::Run | LimitTable::Compile, "wall_time_ms") => {
            " When only `cpu_time_ms` is set, it follows: three times that, or two seconds more, whichever is longer."
        }
        (LimitTable::Maximum, "wall_time_ms") => " When only `maximum.cpu_time_ms` is raised, it makes room for it.",
        (_, "stack_bytes") => " When only `memory_bytes` of this table is set, it is the same.",
        _ => "",
    };
    Setting {
        table: table.name(),
        name: field.name,
        kind: limit_kind(field),
        fallback: Fallback::Value(Value::Integer((field.get)(&default))),
        doc: Cow::Owned(format!("{about}{more}")),
        access: Access::Limit { table, field },
    }
}

/// What a limit means, in the words of the contract.
fn limit_doc(name: &str) -> &'static str {
    match name {
        "cpu_time_ms" => "CPU time in milliseconds of everything the step started, measured by its cgroup.",
        "wall_time_ms" => {
            "Elapsed time in milliseconds. It ends programs that wait; busy ones meet `cpu_time_ms` first."
        }
        "memory_bytes" => {
            "Memory in bytes of everything the step started, with what it wrote to `/box`, `/tmp` and `/dev/shm`. Swap adds nothing."
        }
        "processes" => "Processes and threads alive at the same time.",
        "output_bytes" => "Bytes that a step may write to stdout, and as many to stderr. Past it the step is ended.",
        "file_size_bytes" => "Size in bytes of one file (`RLIMIT_FSIZE`).",
        "open_files" => "Open descriptors of one process (`RLIMIT_NOFILE`).",
        "stack_bytes" => "Stack in bytes of one process (`RLIMIT_STACK`).",
        "disk_bytes" => {
            "Capacity in bytes of each writable folder. It is memory, so what lies there counts as `memory_bytes` too."
        }
        _ => "",
    }
}
