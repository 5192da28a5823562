//! What a single value cannot tell: settings that have to fit each other. Also fills in what follows from what was set.

use std::collections::{BTreeMap, BTreeSet};

use super::setting::LimitTable;
use super::{BucketPlace, Config, Origin};
use crate::language::LONGEST_MS;
use crate::limits::{LIMIT_FIELDS, Limits, LimitsPolicy, default_wall_time_ms};
use crate::plan;
use crate::strict_toml::{Mistake, Place};

pub(super) fn apply(config: &mut Config, mistakes: &mut Vec<Mistake>) {
    derive_limits(config);
    a_job_holds_its_longest_steps(config, mistakes);
    limits_within_maximum(config, mistakes);
    languages_within_maximum(config, mistakes);
    extensions_are_unique(config, mistakes);
    offered_languages_exist(config, mistakes);
    queues_differ(config, mistakes);
    memory_holds_the_largest_job(config, mistakes);
    uids_suffice(config, mistakes);
    recycling_has_a_pool(config, mistakes);
    the_store_holds_the_largest_job(config, mistakes);
    places_in_s3_are_apart(config, mistakes);
}

/// Whether the operator said it, rather than a default or a derivation.
fn is_said(config: &Config, key: &str) -> bool {
    matches!(config.origins.get(key), Some(Origin::File(_) | Origin::Environment(_)))
}

/// A mistake at the place where `key` was set; a variable is called by its name.
fn mistake_at(config: &Config, key: &str, problem: String) -> Mistake {
    match config.origins.get(key) {
        Some(Origin::File(place)) => Mistake { place: place.clone(), key: key.to_owned(), problem },
        Some(Origin::Environment(name)) => Mistake { place: Place::Environment, key: name.clone(), problem },
        _ => Mistake { place: Place::Default, key: key.to_owned(), problem },
    }
}

/// Wall time follows CPU time and stack follows memory, as they do in a job that gives only one of the pair.
fn derive_limits(config: &mut Config) {
    for table in LimitTable::ALL {
        let key = |name: &str| format!("{}.{name}", table.name());
        let follows = |name: &str| Origin::Derived(format!("follows {}", key(name)));
        if is_said(config, &key("cpu_time_ms")) && !is_said(config, &key("wall_time_ms")) {
            let limits = table.of_mut(&mut config.limits);
            let wall = default_wall_time_ms(limits.cpu_time_ms).min(LONGEST_MS);
            // The default maximum is roomy; a smaller CPU time is no reason to cut programs that wait.
            limits.wall_time_ms = if table == LimitTable::Maximum { wall.max(limits.wall_time_ms) } else { wall };
            config.origins.insert(key("wall_time_ms"), follows("cpu_time_ms"));
        }
        if is_said(config, &key("memory_bytes")) && !is_said(config, &key("stack_bytes")) {
            let limits = table.of_mut(&mut config.limits);
            limits.stack_bytes = limits.memory_bytes;
            config.origins.insert(key("stack_bytes"), follows("memory_bytes"));
        }
    }
}

fn offered_languages_exist(config: &Config, mistakes: &mut Vec<Mistake>) {
    for name in config.worker.languages.iter().filter(|name| config.languages.get(name).is_none()) {
        let known = config.languages.names().collect::<Vec<_>>().join(", ");
        mistakes.push(mistake_at(config, "worker.languages", format!("{name:?} is no language; there are {known}")));
    }
}

/// A compile step and a test of the longest kind, or jobs would be taken of which no test can ever be run. Where those are longer
/// than any job may take, a job has the most that there is.
fn a_job_holds_its_longest_steps(config: &mut Config, mistakes: &mut Vec<Mistake>) {
    const KEY: &str = "worker.max_job_wall_s";
    let step_ms = config.limits.maximum.wall_time_ms;
    let least_s = step_ms.saturating_mul(2).div_ceil(1_000).min(plan::LONGEST_MS / 1_000);
    let job_s = config.worker.max_job_wall_s;
    if job_s >= least_s {
        return;
    }
    if is_said(config, KEY) {
        let problem = format!(
            "{job_s} doesn't hold a compile step and a test of maximum.wall_time_ms, which is {step_ms}; raise this to {least_s}, or \
             lower that"
        );
        mistakes.push(mistake_at(config, KEY, problem));
    } else {
        config.worker.max_job_wall_s = least_s;
        config.origins.insert(KEY.to_owned(), Origin::Derived("makes room for maximum.wall_time_ms".to_owned()));
    }
}

/// A default that was set above the maximum is a mistake; one that nobody set comes down with it.
fn limits_within_maximum(config: &mut Config, mistakes: &mut Vec<Mistake>) {
    for table in [LimitTable::Run, LimitTable::Compile] {
        for field in &LIMIT_FIELDS {
            let key = format!("{}.{}", table.name(), field.name);
            let maximum = (field.get)(&config.limits.maximum);
            let value = (field.get)(table.of(&config.limits));
            if value <= maximum {
                continue;
            }
            if is_said(config, &key) {
                mistakes.push(mistake_at(config, &key, above(value, field.name, maximum)));
            } else {
                (field.set)(table.of_mut(&mut config.limits), maximum);
                config.origins.insert(key, Origin::Derived(format!("lowered to maximum.{}", field.name)));
            }
        }
    }
}

fn above(value: u64, name: &str, maximum: u64) -> String {
    format!("{value} is above maximum.{name}, which is {maximum}; lower this or raise that")
}

/// The same for the limits that languages bring: the operator's own are checked, the built-in ones come down.
fn languages_within_maximum(config: &mut Config, mistakes: &mut Vec<Mistake>) {
    let mut languages = std::mem::take(&mut config.languages);
    for language in languages.iter_mut() {
        let name = language.name.clone();
        let is_own = config.origins.contains_key(&format!("languages.{name}"));
        for (table, request) in [("limits", &mut language.limits), ("compile_limits", &mut language.compile_limits)] {
            for field in &LIMIT_FIELDS {
                let maximum = (field.get)(&config.limits.maximum);
                match (field.requested)(request) {
                    Some(value) if value > maximum && is_own => {
                        let key = format!("languages.{name}.{table}.{}", field.name);
                        mistakes.push(mistake_at(config, &key, above(value, field.name, maximum)));
                    }
                    Some(value) if value > maximum => (field.request)(request, maximum),
                    _ => {}
                }
            }
        }
    }
    config.languages = languages;
}

fn extensions_are_unique(config: &Config, mistakes: &mut Vec<Mistake>) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let is_own = |name: &str| config.origins.contains_key(&format!("languages.{name}"));
    // The built-in ones first, so that the mistake is found at the operator's table.
    let (own, built_in): (Vec<_>, Vec<_>) = config.languages.iter().partition(|language| is_own(&language.name));
    for language in built_in.into_iter().chain(own) {
        for extension in &language.extensions {
            if let Some(other) = owners.insert(extension, &language.name) {
                let problem = if other == language.name {
                    format!("{extension:?} is there twice; keep one")
                } else {
                    format!("{extension:?} belongs to {other} already; leave it to one of them")
                };
                let mut mistake = mistake_at(config, &format!("languages.{}", language.name), problem);
                mistake.key.push_str(".extensions");
                mistakes.push(mistake);
            }
        }
    }
}

fn queues_differ(config: &Config, mistakes: &mut Vec<Mistake>) {
    let queue = &config.queue;
    if queue.incoming_url.is_some() && !queue.incoming_urls.is_empty() {
        let problem = "is given beside queue.incoming_urls; put it into that list, or leave the list away";
        mistakes.push(mistake_at(config, "queue.incoming_url", problem.to_owned()));
    }
    let incoming = queue.incoming();
    if incoming.iter().any(|incoming| Some(&incoming.url) == queue.outgoing_url.as_ref()) {
        let problem = "is the incoming queue too; results would be taken for jobs, so name another queue";
        mistakes.push(mistake_at(config, "queue.outgoing_url", problem.to_owned()));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = incoming.iter().find(|incoming| !seen.insert(&incoming.url)) {
        let problem = format!("{} is there twice; keep one, and give it the weight of both", twice.url);
        mistakes.push(mistake_at(config, "queue.incoming_urls", problem));
    }
}

fn memory_holds_the_largest_job(config: &Config, mistakes: &mut Vec<Mistake>) {
    let LimitsPolicy { maximum: Limits { memory_bytes: maximum, .. }, .. } = config.limits;
    if let Some(memory) = config.worker.memory_bytes
        && memory < maximum
    {
        let problem = format!(
            "{memory} is below maximum.memory_bytes, which is {maximum}; a job at that maximum could never start"
        );
        mistakes.push(mistake_at(config, "worker.memory_bytes", problem));
    }
}

fn the_store_holds_the_largest_job(config: &Config, mistakes: &mut Vec<Mistake>) {
    let store = &config.store;
    let rules = [
        ("memory_bytes", store.memory_bytes, 4, "maximum_job_bytes", store.maximum_job_bytes),
        ("memory_bytes", store.memory_bytes, 2, "maximum_data_bytes", store.maximum_data_bytes),
        ("cache_bytes", store.cache_bytes, 1, "maximum_data_bytes", store.maximum_data_bytes),
        ("maximum_data_bytes", store.maximum_data_bytes, 1, "maximum_object_bytes", store.maximum_object_bytes),
    ];
    for (name, value, times, other, least) in rules {
        if value < least.saturating_mul(times) {
            let key = format!("store.{name}");
            // The mistake goes to whichever was set; with both, to the one that is too small.
            let said = if is_said(config, &key) { key } else { format!("store.{other}") };
            let much = if times == 1 { String::new() } else { format!("{times} times ") };
            let problem =
                format!("store.{name} is {value}, and has to be at least {much}store.{other}, which is {least}");
            mistakes.push(mistake_at(config, &said, problem));
        }
    }
}

/// What one purpose allows nobody must reach by another: a pointer to a result would have it read as a job, and deleted as one.
fn places_in_s3_are_apart(config: &Config, mistakes: &mut Vec<Mistake>) {
    const JOBS: &str = "store.incoming_buckets";
    const DATA: &str = "store.data_buckets";
    let store = &config.store;
    let jobs: Vec<_> = store.incoming_buckets.iter().filter_map(|text| place(JOBS, text)).collect();
    let data: Vec<_> = store.data_buckets.iter().filter_map(|text| place(DATA, text)).collect();
    let results = store.results_bucket.as_ref().map(|bucket| {
        let name = format!("{bucket}/{}", store.results_prefix);
        ("store.results_prefix", name, BucketPlace::under(bucket, &store.results_prefix))
    });
    let results = results.as_slice();
    for (these, those) in [(&jobs[..], &data[..]), (&jobs, results), (&data, results)] {
        for (key, text, place) in these {
            for (other_key, other, _) in those.iter().filter(|(_, _, other)| place.overlaps(other)) {
                let problem = format!(
                    "{text:?} overlaps with {other:?} of {other_key}; give each purpose a prefix of its own, as \
                     payloads/jobs/, payloads/data/ and payloads/results/"
                );
                mistakes.push(mistake_at(config, key, problem));
            }
        }
    }
}

/// `None` for a text that is no place, which is a mistake of its own.
fn place<'a>(key: &'static str, text: &'a str) -> Option<(&'static str, String, BucketPlace<'a>)> {
    Some((key, text.to_owned(), BucketPlace::read(text)?))
}

fn recycling_has_a_pool(config: &Config, mistakes: &mut Vec<Mistake>) {
    let pool = &config.pool;
    let without = if !pool.enabled {
        "pool.enabled is false"
    } else if pool.containers == Some(0) {
        "pool.containers is 0"
    } else if pool.memory_percent == 0 {
        "pool.memory_percent is 0"
    } else {
        return;
    };
    if config.sandbox.recycle {
        let problem = format!("starts containers of the pool again, and {without}; turn this off, or the pool on");
        mistakes.push(mistake_at(config, "sandbox.recycle", problem));
    }
}

fn uids_suffice(config: &Config, mistakes: &mut Vec<Mistake>) {
    const NOBODY: u64 = 65_534;
    let first = u64::from(config.sandbox.first_uid);
    let end = first + u64::from(config.sandbox.uids);
    // The mistake goes to whichever was set; with both, to the first uid.
    let key = if is_said(config, "sandbox.first_uid") { "sandbox.first_uid" } else { "sandbox.uids" };
    if end > u64::from(u32::MAX) {
        let problem = format!("the range of uids {first} to {} ends past the kernel's last one, 4294967294", end - 1);
        mistakes.push(mistake_at(config, key, problem));
    } else if (first..end).contains(&NOBODY) {
        let problem =
            format!("the range of uids {first} to {} holds {NOBODY}, which other software shares; move it", end - 1);
        mistakes.push(mistake_at(config, key, problem));
    }
    if let Some(slots) = config.worker.slots.and_then(|slots| u64::try_from(slots).ok())
        && u64::from(config.sandbox.uids) < 2 * slots
    {
        let problem = format!("{} is less than twice worker.slots, which is {slots}", config.sandbox.uids);
        mistakes.push(mistake_at(config, "sandbox.uids", problem));
    }
}
