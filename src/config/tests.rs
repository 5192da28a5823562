//! The table holds what it promises, all mistakes come at once, and what is shown loads again.

use super::*;
use crate::strict_toml::Kind;

fn env<const N: usize>(pairs: [(&str, &str); N]) -> impl Iterator<Item = (String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter()
}

fn load<const N: usize>(text: &str, pairs: [(&str, &str); N]) -> Result<Config, ConfigErrors> {
    Config::read(Some(Source { name: "caisson.toml", text }), env(pairs), Vec::new())
}

fn message<const N: usize>(text: &str, pairs: [(&str, &str); N]) -> String {
    load(text, pairs).expect_err("the configuration is wrong").to_string()
}

/// A value of `kind` other than any default.
fn sample(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::Integer { least, .. } => Value::Integer(least + 77),
        Kind::Text(_) => Value::Text("x".to_owned()),
        Kind::Choice(words) => Value::Text(words[words.len() - 1].to_owned()),
        Kind::List { .. } => Value::List(vec!["x".to_owned()]),
        Kind::Map { .. } => Value::Map(BTreeMap::from([("X".to_owned(), "y".to_owned())])),
    }
}

#[test]
fn without_a_file_or_a_variable_every_setting_has_its_default() {
    let config = Config::load(None, std::iter::empty()).expect("the defaults are right");
    for setting in settings() {
        match &setting.fallback {
            Fallback::Value(value) => assert_eq!(setting.get(&config).as_ref(), Some(value), "{}", setting.key()),
            Fallback::Words(_) => assert_eq!(setting.get(&config), None, "{}", setting.key()),
        }
    }
    assert_eq!(config.limits.run, Limits::RUN);
    assert_eq!(config.limits.compile, Limits::COMPILE);
    assert_eq!(config.limits.maximum, Limits::MAXIMUM);
}

#[test]
fn every_default_is_within_its_own_range() {
    for setting in settings() {
        if let Fallback::Value(value) = &setting.fallback {
            let text = format!("x = {value}");
            let table = toml::de::DeTable::parse(&text).expect("a default is TOML").into_inner();
            let (_, read) = table.iter().next().expect("there is one key");
            assert_eq!(setting.kind.read(read).as_ref(), Ok(value), "{}", setting.key());
        }
    }
}

#[test]
fn every_setting_can_hold_a_value_of_its_kind_in_a_field_of_its_own() {
    let defaults = Config::load(None, std::iter::empty()).expect("the defaults are right");
    for setting in settings() {
        let mut config = defaults.clone();
        setting.set(&mut config, sample(&setting.kind));
        assert_eq!(setting.get(&config), Some(sample(&setting.kind)), "{}", setting.key());
        let others = settings().iter().filter(|other| other.key() != setting.key());
        others.for_each(|other| {
            assert_eq!(other.get(&config), other.get(&defaults), "{} moves {}", setting.key(), other.key())
        });
    }
}

#[test]
fn names_and_variables_are_unique_and_every_table_is_known() {
    let mut variables: Vec<String> = settings().iter().map(Setting::variable).collect();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), settings().len());
    for setting in settings() {
        assert!(TABLES.iter().any(|(table, _)| *table == setting.table), "{}", setting.key());
        assert!(setting.doc.len() > 40 && setting.doc.ends_with('.'), "{} says too little", setting.key());
    }
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_the_default() {
    let text = "[queue]\nwait_time_s = 5\nvisibility_timeout_s = 0x40\n[images]\nallow = [\"a\"]\n";
    let config = load(
        text,
        [
            ("CAISSON_QUEUE_WAIT_TIME_S", "7"),
            ("CAISSON_IMAGES_ALLOW", "grader:1, other@sha256:00"),
            ("CAISSON_MAXIMUM_MEMORY_BYTES", "2147483648"),
            ("CAISSON_ABOVE_MAXIMUM", "clamp"),
            ("CAISSON_LOG", "debug"),
            ("CAISSON_WORKER_ID", ""),
            ("CAISSON_TEST_ENGINE", "x"),
            ("PATH", "/bin"),
        ],
    )
    .expect("all of it is right");
    assert_eq!(config.queue.wait_time_s, 7);
    assert_eq!(config.queue.visibility_timeout_s, 64);
    assert_eq!(config.images.allow, ["grader:1", "other@sha256:00"]);
    assert_eq!(config.limits.maximum.memory_bytes, 2 << 30);
    assert_eq!(config.limits.above_maximum, AboveMaximum::Clamp);
    assert_eq!(config.log.level, "debug");
    assert_eq!(config.worker.id, None);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = r#"
above_maximum = "ignore"
colour = true
[queue]
incoming_uri = "https://sqs.example/jobs"
outgoing_url = "sqs.example"
wait_time_s = 30
visibility_timeout_s = "60"
[worker]
slots = -1
slots = 4
memory_bytes = 1e9
grace_period_s = 99999999999999999999
[sandbox]
visibility_timeout_s = 5
pin_cpus = yes
uids = 12.5
[limits]
cpu_time = 1
memory_bytes = 4_294_967_296
[images]
allow = ["ok", "not ok", 3]
[log]
level = "infos"
format = "xml"
[languages.rust]
image = "rust"
main = "main.rs"
compile = ["rustc", "{man}"]
limits = { processes = 100_000 }
[languages.py3]
image = "python"
main = "main.py"
extensions = ["py"]
run = ["python3", "{main}"]
compile_limits = { open_files = 9 }
[languages]
go = "golang"
[[log]]
"#;
    let pairs = [
        ("CAISSON_QUEUE_WAIT_TIME", "3"),
        ("CAISSON_SANDBOX_PIN_CPUS", "yes"),
        ("CAISSON_WORKER_SLOTS", "many"),
        ("CAISSON_LOG", "info"),
        ("CAISSON_LOG_LEVEL", "debug"),
        ("CAISSON_IMAGES_ALLOW", "a,,b"),
        ("CAISSON_COLOUR", "1"),
    ];
    insta::assert_snapshot!(message(text, pairs), @r#"
    caisson.toml:2: above_maximum: "ignore" is unknown; allowed is one of refuse, clamp
    caisson.toml:3: colour: unknown key; allowed is above_maximum, queue, worker, sandbox, pool, compile_cache, instance, limits, compile_limits, maximum, store, images, log, http, metrics, languages
    caisson.toml:5: queue.incoming_uri: unknown key; did you mean incoming_url?
    caisson.toml:6: queue.outgoing_url: "sqs.example" does not fit; allowed is a queue's URL such as https://sqs.eu-central-1.amazonaws.com/123456789012/jobs
    caisson.toml:7: queue.wait_time_s: 30 is out of range; allowed is a whole number from 0 to 20
    caisson.toml:8: queue.visibility_timeout_s: is text; allowed is a whole number from 10 to 43200
    caisson.toml:10: worker.slots: -1 is out of range; allowed is a whole number from 1 to 512
    caisson.toml:11: slots: is there twice; keep one
    caisson.toml:12: worker.memory_bytes: is a number with a fraction; allowed is a whole number from 67108864 to 1125899906842624
    caisson.toml:13: worker.grace_period_s: 99999999999999999999 is out of range; allowed is a whole number from 0 to 3600
    caisson.toml:15: sandbox.visibility_timeout_s: unknown key here; visibility_timeout_s belongs under [queue]
    caisson.toml:16: not TOML: string values must be quoted, expected literal string
    caisson.toml:17: sandbox.uids: is a number with a fraction; allowed is a whole number from 100 to 1000000000
    caisson.toml:19: limits.cpu_time: unknown key; did you mean cpu_time_ms?
    caisson.toml:20: limits.memory_bytes: 4294967296 is above maximum.memory_bytes, which is 1073741824; lower this or raise that
    caisson.toml:22: images.allow: "not ok" does not fit; allowed is an image reference such as caisson/python3 or registry.example/grader:4
    caisson.toml:22: images.allow: is a whole number; allowed is an image reference such as caisson/python3 or registry.example/grader:4
    caisson.toml:24: log.level: "infos" does not fit; allowed is a level or directives such as info,caisson::queue=debug
    caisson.toml:25: log.format: "xml" is unknown; allowed is one of auto, json, text
    caisson.toml:26: languages.rust.run: is missing; allowed is a list of at least 1, each element text in which only {main}, {main_stem}, {program}, {memory_mb}, {heap_mb} and {stack_kb} stand in braces
    caisson.toml:29: languages.rust.compile: "{man}" does not fit; allowed is text in which only {main}, {main_stem}, {program}, {memory_mb}, {heap_mb} and {stack_kb} stand in braces
    caisson.toml:30: languages.rust.limits.processes: 100000 is above maximum.processes, which is 256; lower this or raise that
    caisson.toml:31: languages.py3.extensions: "py" belongs to python3 already; leave it to one of them
    caisson.toml:36: languages.py3.compile_limits: limits a compile step, but there is no compile command
    caisson.toml:38: languages.go: is no table; allowed is [languages.go]
    caisson.toml:39: log: is there twice; keep one
    environment: CAISSON_COLOUR: unknown variable
    environment: CAISSON_IMAGES_ALLOW: "" does not fit; allowed is an image reference such as caisson/python3 or registry.example/grader:4
    environment: CAISSON_LOG_LEVEL: says the same as CAISSON_LOG; keep one
    environment: CAISSON_QUEUE_WAIT_TIME: unknown variable; did you mean CAISSON_QUEUE_WAIT_TIME_S?
    environment: CAISSON_SANDBOX_PIN_CPUS: "yes" does not fit; allowed is true or false
    environment: CAISSON_WORKER_SLOTS: "many" does not fit; allowed is a whole number from 1 to 512
    "#);
}

#[test]
fn settings_that_do_not_fit_each_other_are_mistakes_where_they_were_set() {
    let text = r#"
[queue]
incoming_url = "https://sqs.example/jobs"
outgoing_url = "https://sqs.example/jobs"
[worker]
slots = 200
memory_bytes = 536_870_912
[sandbox]
first_uid = 65_500
uids = 100
[compile_limits]
cpu_time_ms = 90_000
[languages.mypython]
image = "python"
extensions = ["py", "pyw"]
main = "main.py"
run = ["python3", "{main}"]
[languages.mypython.limits]
processes = 100_000
"#;
    insta::assert_snapshot!(message(text, [("CAISSON_LIMITS_OPEN_FILES", "2000")]), @r#"
    caisson.toml:4: queue.outgoing_url: is the incoming queue too; results would be taken for jobs, so name another queue
    caisson.toml:7: worker.memory_bytes: 536870912 is below maximum.memory_bytes, which is 1073741824; a job at that maximum could never start
    caisson.toml:9: sandbox.first_uid: the range of uids 65500 to 65599 holds 65534, which other software shares; move it
    caisson.toml:10: sandbox.uids: 100 is less than twice worker.slots, which is 200
    caisson.toml:12: compile_limits.cpu_time_ms: 90000 is above maximum.cpu_time_ms, which is 60000; lower this or raise that
    caisson.toml:13: languages.mypython.extensions: "py" belongs to python3 already; leave it to one of them
    caisson.toml:19: languages.mypython.limits.processes: 100000 is above maximum.processes, which is 256; lower this or raise that
    environment: CAISSON_LIMITS_OPEN_FILES: 2000 is above maximum.open_files, which is 1024; lower this or raise that
    "#);
}

#[test]
fn recycling_without_a_pool_is_a_mistake() {
    for pool in ["enabled = false", "containers = 0", "memory_percent = 0"] {
        let text = format!("[sandbox]\nrecycle = true\n[pool]\n{pool}\n");
        let message = message(&text, []);
        let word = pool.split(' ').next().unwrap_or_default();
        assert!(message.contains("caisson.toml:2: sandbox.recycle: ") && message.contains(word), "{message}");
    }
    assert!(load("[sandbox]\nrecycle = true\n", []).expect("there is a pool").sandbox.recycle);
    assert!(!load("[pool]\nenabled = false\n", []).expect("nothing is recycled").sandbox.recycle);
}

#[test]
fn places_in_s3_have_one_purpose_each() {
    let apart = "[store]\nincoming_buckets = [\"pay/jobs/\", \"others\"]\ndata_buckets = [\"pay/data/\"]\nresults_bucket = \"pay\"\n";
    assert!(load(apart, []).is_ok());
    assert!(
        load("[store]\nincoming_buckets = [\"pay\"]\nresults_prefix = \"\"\n", []).is_ok(),
        "without a bucket it is nowhere"
    );
    for (lines, said) in [
        ("data_buckets = [\"pay\"]", "\"pay/jobs/\" overlaps with \"pay\" of store.data_buckets"),
        (
            "results_bucket = \"pay\"\nresults_prefix = \"jobs/results/\"",
            "with \"pay/jobs/results/\" of store.results_prefix",
        ),
        ("results_bucket = \"pay\"\nresults_prefix = \"\"", "overlaps with \"pay/\" of store.results_prefix"),
        (
            "data_buckets = [\"d\\u0061ta-1/x/\"]\nresults_bucket = \"data-1\"\nresults_prefix = \"x\"",
            "store.data_buckets: \"data-1/x/\"",
        ),
    ] {
        let message = message(&format!("[store]\nincoming_buckets = [\"pay/jobs/\"]\n{lines}\n"), []);
        assert!(
            message.contains(said) && message.contains("give each purpose a prefix of its own"),
            "{lines}: {message}"
        );
    }
    for bad in ["pay/jobs", "s3://pay/", "P", "pay/../"] {
        let message = message(&format!("[store]\nincoming_buckets = [\"{bad}\"]\n"), []);
        assert!(message.contains("store.incoming_buckets") && message.contains("with a slash at the end"), "{message}");
    }
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_the_environments_mistakes() {
    let load = Config::load(Some(Path::new("/nowhere/caisson.toml")), env([("CAISSON_LOG_FORMAT", "xml")]));
    insta::assert_snapshot!(load.expect_err("there is no such file"), @r#"
    /nowhere/caisson.toml: cannot be read: No such file or directory (os error 2)
    environment: CAISSON_LOG_FORMAT: "xml" is unknown; allowed is one of auto, json, text
    "#);
}

#[test]
fn wall_time_follows_cpu_time_and_stack_follows_memory() {
    let text = "[limits]\ncpu_time_ms = 10_000\nmemory_bytes = 16_777_216\n[maximum]\ncpu_time_ms = 600_000\n";
    let limits = load(text, []).expect("it is right").limits;
    assert_eq!(limits.run.wall_time_ms, 30_000);
    assert_eq!(limits.run.stack_bytes, 16 << 20);
    assert_eq!(limits.maximum.wall_time_ms, 1_800_000);
    assert_eq!(limits.compile, Limits::COMPILE);
    let longest = load("[maximum]\ncpu_time_ms = 43_200_000\n", []).expect("it is right");
    assert!(Config::parse("shown.toml", &longest.show()).is_ok(), "what follows stays within its own range");
}

#[test]
fn a_job_has_time_for_a_compile_step_and_a_test_of_the_longest_kind() {
    let job_s = |text: &str| load(text, []).expect("it is right").worker.max_job_wall_s;
    assert_eq!(job_s(""), 1_800);
    assert_eq!(job_s("maximum.wall_time_ms = 1_200_500\n"), 2_401);
    assert_eq!(job_s("maximum.wall_time_ms = 43_200_000\n"), 39_600);
    assert_eq!(job_s("worker.max_job_wall_s = 600\n"), 600);
    let message = message("worker.max_job_wall_s = 599\n", []);
    assert!(
        message.contains("caisson.toml:1: worker.max_job_wall_s: 599 ") && message.contains("raise this to 600"),
        "{message}"
    );
}

#[test]
fn defaults_and_built_in_languages_come_down_with_the_maximum() {
    let config = load("[maximum]\nmemory_bytes = 134_217_728\nprocesses = 8\n", []).expect("it is right");
    assert_eq!(config.limits.run.memory_bytes, 128 << 20);
    assert_eq!(config.limits.compile.stack_bytes, 128 << 20);
    for language in config.languages.iter() {
        assert!(language.limits.memory_bytes.is_none_or(|memory| memory <= 128 << 20), "{}", language.name);
        assert!(language.compile_limits.processes.is_none_or(|processes| processes <= 8), "{}", language.name);
    }
}

#[test]
fn a_language_of_the_file_is_added_or_takes_the_place_of_one() {
    let mut text = String::from("[languages.\"lua++\"]\nimage = \"p\"\nmain = \"m\"\nrun = [\"p\"]\n");
    let names = Languages::built_in().expect("they are right");
    if let Some(first) = names.names().next() {
        text.push_str(&format!(
            "[languages.{first}]\ntitle = \"Mine\"\nimage = \"mine\"\nmain = \"m\"\nrun = [\"r\"]\n"
        ));
    }
    let config = load(&text, []).expect("it is right");
    assert_eq!(config.languages.get("lua++").map(|it| it.title.as_str()), Some("lua++"));
    assert_eq!(config.languages.len(), names.len() + 1);
    if let Some(first) = names.names().next() {
        assert_eq!(config.languages.get(first).map(|it| it.image.as_str()), Some("mine"));
    }
}

#[test]
fn what_is_shown_loads_back_to_the_same_configuration() {
    let text = r#"
above_maximum = "clamp"
queue.incoming_url = "https://sqs.example/a"
[worker]
slots = 3
[limits]
cpu_time_ms = 5_000
[maximum]
disk_bytes = 1_048_576
[images]
allow = ["a", "b:1"]
[languages."c++"]
title = "C \"plus\" plus"
image = "i"
main = "main.cpp"
extensions = ["c++"]
compile = ["g++", "-o", "{main_stem}", "{main}"]
run = ["./{main_stem}"]
env = { A = "b c", D = "" }
limits = { memory_bytes = 67_108_864 }
"#;
    let shown = load(text, [("CAISSON_LOG_LEVEL", "warn,caisson=debug")]).expect("it is right");
    let again =
        Config::parse("shown.toml", &shown.show()).unwrap_or_else(|errors| panic!("{errors}\n{}", shown.show()));
    for setting in settings() {
        assert_eq!(setting.get(&again), setting.get(&shown), "{}", setting.key());
    }
    assert_eq!(again.languages, shown.languages);
    let origins: Vec<String> =
        shown.show().lines().filter(|it| !it.ends_with("# default")).map(str::to_owned).collect();
    insta::assert_snapshot!(origins.join("\n"), @r#"
    # The configuration in force, and where each value comes from.

    above_maximum = "clamp"  # caisson.toml:2

    [queue]
    incoming_url = "https://sqs.example/a"  # caisson.toml:3
    # outgoing_url is not set: none, and a worker doesn't start without it

    [worker]
    # id is not set: made from the host's name
    slots = 3  # caisson.toml:5
    # memory_bytes is not set: 80 % of the host's memory

    [sandbox]
    # engine_socket is not set: `DOCKER_HOST`, else `/var/run/docker.sock`
    # runtime is not set: the engine's own default

    [pool]
    # containers is not set: twice the slots

    [compile_cache]

    [instance]
    # auto_scaling_group is not set: what `autoscaling:DescribeAutoScalingInstances` says
    # lifecycle_hook is not set: the group's hook before termination, if it has exactly one

    [limits]
    cpu_time_ms = 5000  # caisson.toml:7
    wall_time_ms = 15000  # follows limits.cpu_time_ms
    disk_bytes = 1048576  # lowered to maximum.disk_bytes

    [compile_limits]
    disk_bytes = 1048576  # lowered to maximum.disk_bytes

    [maximum]
    disk_bytes = 1048576  # caisson.toml:9

    [store]
    # results_bucket is not set: none, and a result that is too large for the queue is cut
    # cache_dir is not set: `data` in systemd's `CACHE_DIRECTORY`, else `caisson/data` in `XDG_CACHE_HOME` or `~/.cache`

    [images]
    allow = ["a", "b:1"]  # caisson.toml:11

    [log]
    level = "warn,caisson=debug"  # CAISSON_LOG_LEVEL

    [http]
    # listen is not set: none, and a worker doesn't listen

    [metrics]

    # Built-in languages: bash, c, cpp, java, javascript, python3

    [languages."c++"]  # caisson.toml:12
    title = 'C "plus" plus'
    image = "i"
    extensions = ["c++"]
    main = "main.cpp"
    compile = ["g++", "-o", "{main_stem}", "{main}"]
    run = ["./{main_stem}"]
    env = { A = "b c", D = "" }
    limits = { memory_bytes = 67108864 }
    "#);
}

#[test]
fn the_schema_knows_every_setting() {
    let schema = schema();
    for setting in settings() {
        let table = if setting.table.is_empty() { &schema } else { &schema["properties"][setting.table] };
        assert!(table["properties"][setting.name]["description"].is_string(), "{}", setting.key());
    }
    assert_eq!(schema["properties"]["queue"]["properties"]["wait_time_s"]["maximum"], 20);
    assert_eq!(schema["properties"]["queue"]["additionalProperties"], false);
}

#[test]
fn several_incoming_queues_have_weights_and_stand_in_place_of_the_one() {
    let several = r#"queue.incoming_urls = ["https://sqs.example/a weight=4", "https://sqs.example/b"]"#;
    let incoming =
        |config: Config| config.queue.incoming().into_iter().map(|it| (it.url, it.weight)).collect::<Vec<_>>();
    let (a, b) = ("https://sqs.example/a".to_owned(), "https://sqs.example/b".to_owned());
    let of_file = incoming(load(several, []).expect("it is right"));
    assert_eq!(of_file, [(a.clone(), 4), (b.clone(), 1)]);
    let variable = ("CAISSON_QUEUE_INCOMING_URLS", "https://sqs.example/b weight=100, https://sqs.example/a");
    assert_eq!(incoming(load(several, [variable]).expect("it is right")), [(b, 100), (a.clone(), 1)]);
    let one = load(r#"queue.incoming_url = "https://sqs.example/a""#, []).expect("it is right");
    assert_eq!(incoming(one), [(a, 1)]);
    assert_eq!(incoming(load("", []).expect("it is right")), []);
}

#[test]
fn incoming_queues_that_do_not_fit_are_mistakes() {
    for weight in ["0", "101", "x", "-1", "1.5", ""] {
        let text = format!(r#"queue.incoming_urls = ["https://sqs.example/a weight={weight}"]"#);
        assert!(message(&text, []).contains("weight from 1 to 100"), "{weight}");
    }
    let both = "queue.incoming_url = \"https://sqs.example/a\"\nqueue.incoming_urls = [\"https://sqs.example/b\"]";
    assert!(
        message(both, []).contains("queue.incoming_url: is given beside queue.incoming_urls"),
        "{}",
        message(both, [])
    );
    let twice = r#"queue.incoming_urls = ["https://sqs.example/a weight=2", "https://sqs.example/a"]"#;
    assert!(message(twice, []).contains("is there twice"), "{}", message(twice, []));
    let round = "queue.incoming_urls = [\"https://sqs.example/a\", \"https://sqs.example/b\"]\n\
                 queue.outgoing_url = \"https://sqs.example/b\"";
    assert!(message(round, []).contains("queue.outgoing_url: is the incoming queue too"), "{}", message(round, []));
}
