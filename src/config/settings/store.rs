//! The rows of `[store]`.

use std::borrow::Cow;

use super::super::rules::{BUCKET, FOLDER, PLACE, PREFIX};
use super::super::setting::{Access, Fallback, Setting};
use crate::strict_toml::{Field, Kind, Value};

pub(super) fn rows() -> [Setting; 11] {
    const LARGEST: u64 = 1 << 40;
    [
        setting!(
            store.incoming_buckets,
            Kind::List { rule: PLACE, least: 0 },
            Fallback::Value(Value::List(Vec::new())),
            "The buckets that a message may point to for its job, in the format of the SQS Extended Client Library, or parts of \
             them as `payloads/jobs/`. None by default, and then a pointer is answered `rejected`: whoever may send messages \
             would otherwise choose what the worker's credentials read. It may not overlap with where data or results are: \
             whoever sends jobs could read these, or have them deleted."
        ),
        setting!(
            store.maximum_job_bytes,
            Kind::Integer { least: 1 << 10, most: 1 << 30 },
            Fallback::Value(Value::Integer(32 << 20)),
            "Bytes of the largest job that a pointer may lead to; a larger one is answered `rejected`. 32 MiB is thirty times \
             what a message carries. What is larger than that is better named as data, which is fetched once for many jobs."
        ),
        setting!(
            store.delete_incoming_payloads,
            Kind::Bool,
            Fallback::Value(Value::Bool(false)),
            "Whether a job's object is deleted once its result is published and its message deleted. Off by default: a \
             lifecycle rule of the bucket does the same, costs nothing, and leaves something to look at for a while."
        ),
        setting!(
            store.results_bucket,
            Kind::Text(BUCKET),
            Fallback::Words("none, and a result that is too large for the queue is cut"),
            "The bucket that results go to when they are too large for the outgoing queue; the message then points there. \
             Set it when all consumers read such pointers, with one of the SQS Extended Client Libraries or by themselves. \
             When S3 doesn't take a result within 15 seconds, it is cut and published all the same."
        ),
        setting!(
            store.results_prefix,
            Kind::Text(PREFIX),
            Fallback::Value(Value::Text("results/".to_owned())),
            "What the keys of such results begin with; the job's id, `/` and the execution's id follow."
        ),
        setting!(
            store.data_buckets,
            Kind::List { rule: PLACE, least: 0 },
            Fallback::Value(Value::List(Vec::new())),
            "The buckets that a job's `content_s3_uri`, `stdin_s3_uri` and `expected_stdout_s3_uri` may name, or parts of them \
             as `payloads/data/`. None by default, and then such a job is answered `rejected`: a program that prints its input \
             would otherwise show its author whatever the worker's credentials can read. It may not overlap with where jobs \
             or results are."
        ),
        setting!(
            store.maximum_object_bytes,
            Kind::Integer { least: 1 << 10, most: 1 << 30 },
            Fallback::Value(Value::Integer(64 << 20)),
            "Bytes of the largest single object that a job may name as data."
        ),
        setting!(
            store.maximum_data_bytes,
            Kind::Integer { least: 1 << 10, most: 16 << 30 },
            Fallback::Value(Value::Integer(128 << 20)),
            "Bytes of all data that one job may name, what it names twice counted once. It is held in memory while the job \
             runs."
        ),
        setting!(
            store.memory_bytes,
            Kind::Integer { least: 1 << 20, most: LARGEST },
            Fallback::Value(Value::Integer(256 << 20)),
            "Bytes of the worker's own memory that all jobs from S3 and all data may take at one time, half for the one and \
             half for the other; a job's text counts twice, because it is copied while it is read. A job that finds too \
             little waits, and after a minute goes back to the queue. At least twice `store.maximum_data_bytes` and four \
             times `store.maximum_job_bytes`. It comes on top of `worker.memory_bytes`."
        ),
        setting!(
            store.cache_dir,
            Kind::Text(FOLDER),
            Fallback::Words(
                "`data` in systemd's `CACHE_DIRECTORY`, else `caisson/data` in `XDG_CACHE_HOME` or `~/.cache`"
            ),
            "The folder in which data is kept for the jobs after. It is made if it isn't there, and has to belong to the \
             worker's user alone. Several workers of one host may share one."
        ),
        setting!(
            store.cache_bytes,
            Kind::Integer { least: 1 << 10, most: LARGEST },
            Fallback::Value(Value::Integer(2 << 30)),
            "Bytes of all data that is kept there. What was used longest ago goes first. At least `store.maximum_data_bytes`; \
             with less than a day's problems take, the same data is fetched again and again."
        ),
    ]
}
