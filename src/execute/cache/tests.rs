use proptest::prelude::*;

use super::*;
use crate::capture::Captured;
use crate::limits::{LIMIT_FIELDS, Limits};
use crate::plan::{Command, PlannedFile};
use crate::verdict::Verdict;

const KIB: usize = 1 << 10;

fn compiled(bytes: usize) -> Compiled {
    let result = StepResult { verdict: Verdict::Completed, ..StepResult::skipped() };
    let confinement =
        SandboxReport { profile: "p".to_owned(), runtime: None, landlock: 0, cgroup: 2, pinned: false };
    Compiled { result, archive: Some(Bytes::from(vec![7; bytes])), confinement }
}

/// A key of a number.
fn key(number: u64) -> Key {
    let (argv, env, limits) = (Vec::new(), BTreeMap::new(), Limits::COMPILE);
    let command = Command { argv, env, limits, stack_bytes: limits.stack_bytes, exhaustion: None };
    Key::of(&Inputs { image: "", profile: "", command: &command, files: &[], capture_bytes: number })
}

fn has(cache: &CompileCache, number: u64) -> bool {
    cache.find(key(number), |_| true).is_some()
}

#[test]
fn what_is_kept_is_found_and_nothing_else_and_only_where_it_suits() {
    let cache = CompileCache::new(64 << 10);
    assert!(!has(&cache, 1));
    cache.keep(key(1), compiled(100));
    let found = cache.find(key(1), |_| true).expect("it was kept");
    assert_eq!(found.archive.as_deref(), Some(&[7; 100][..]));
    assert!(cache.find(key(1), |_| false).is_none());
    assert!(!has(&cache, 2));
}

#[test]
fn what_was_used_longest_ago_goes_first_and_the_bytes_are_never_more_than_allowed() {
    let cache = CompileCache::new(16 << 10);
    for number in 0..4 {
        cache.keep(key(number), compiled(3 * KIB));
    }
    assert_eq!(cache.holds(), (4, 16 << 10), "as much as there is room for");
    assert!(has(&cache, 0));
    cache.keep(key(4), compiled(3 * KIB));
    let left: Vec<bool> = (0..5).map(|number| has(&cache, number)).collect();
    assert_eq!(left, [true, false, true, true, true]);
    assert_eq!(cache.holds(), (4, 16 << 10));
    // A small one takes a large one's place, and leaves room for more of its kind.
    cache.keep(key(5), compiled(0));
    assert_eq!(cache.holds(), (4, 13 << 10));
}

#[test]
fn what_takes_more_than_a_quarter_is_not_kept_and_drives_nothing_out() {
    let cache = CompileCache::new(16 << 10);
    cache.keep(key(1), compiled(3 * KIB));
    cache.keep(key(2), compiled(3 * KIB + 1));
    assert!(has(&cache, 1) && !has(&cache, 2));
    assert_eq!(cache.largest(), 3 << 10);
    let mut printed = compiled(KIB);
    printed.result.stderr = Captured { bytes: vec![b'x'; 2 * KIB + 1], ..Captured::default() };
    cache.keep(key(3), printed);
    assert!(!has(&cache, 3), "streams count too");
    assert_eq!(CompileCache::new(1 << 40).largest(), MAX_ARCHIVE_BYTES);
    assert_eq!(CompileCache::new(0).largest(), 0);
}

#[test]
fn of_two_results_for_one_key_the_first_one_stays() {
    let cache = CompileCache::new(64 << 10);
    cache.keep(key(1), compiled(10));
    cache.keep(key(1), compiled(20));
    let found = cache.find(key(1), |_| true).expect("it was kept");
    assert_eq!(found.archive.as_ref().map(Bytes::len), Some(10));
    assert_eq!(cache.holds(), (1, 1024 + 10));
}

/// The inputs of a compile step, owned.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    image: String,
    profile: String,
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    limits: Limits,
    stack_bytes: u64,
    /// Path, content, and whether it may be run.
    files: Vec<(String, String, bool)>,
    capture_bytes: u64,
}

impl Step {
    fn key(&self) -> Key {
        let (argv, env) = (self.argv.clone(), self.env.clone());
        let command = Command { argv, env, limits: self.limits, stack_bytes: self.stack_bytes, exhaustion: None };
        let file = |(path, content, executable): &(String, String, bool)| PlannedFile {
            path: path.clone(),
            content: Bytes::from(content.clone().into_bytes()),
            executable: *executable,
        };
        let files: Vec<PlannedFile> = self.files.iter().map(file).collect();
        let (image, profile, capture_bytes) = (&self.image, &self.profile, self.capture_bytes);
        Key::of(&Inputs { image, profile, command: &command, files: &files, capture_bytes })
    }
}

#[test]
fn each_part_of_a_compile_step_has_a_say() {
    let text = str::to_owned;
    let step = Step {
        image: text("sha256:1"),
        profile: text("p"),
        argv: vec![text("gcc"), text("-O2"), text("main.c")],
        env: BTreeMap::from([(text("A"), text("1")), (text("B"), text("2"))]),
        limits: Limits::COMPILE,
        stack_bytes: Limits::COMPILE.stack_bytes,
        files: vec![(text("main.c"), text("int x;"), false), (text("a.h"), text(""), false)],
        capture_bytes: 65_536,
    };
    let change = |change: &dyn Fn(&mut Step)| {
        let mut other = step.clone();
        change(&mut other);
        other
    };
    let mut others = vec![
        change(&|step| step.image = text("sha256:2")),
        change(&|step| step.profile = text("q")),
        change(&|step| step.capture_bytes += 1),
        change(&|step| step.stack_bytes += 1),
        change(&|step| step.argv[1] = text("-O3")),
        change(&|step| step.argv.swap(1, 2)),
        change(&|step| step.argv.push(String::new())),
        change(&|step| step.argv = vec![text("gcc-O2main.c")]),
        change(&|step| drop(step.env.insert(text("A"), text("2")))),
        change(&|step| drop(step.env.insert(text("C"), String::new()))),
        change(&|step| drop(step.env.remove("B"))),
        change(&|step| step.env = BTreeMap::from([(text("A"), text("1B2"))])),
        change(&|step| step.files[0].1.push(' ')),
        change(&|step| step.files[0].0 = text("Main.c")),
        change(&|step| step.files.swap(0, 1)),
        change(&|step| drop(step.files.pop())),
        change(&|step| step.files.push((text("b.h"), String::new(), false))),
        change(&|step| step.files[1].2 = true),
    ];
    for field in &LIMIT_FIELDS {
        others.push(change(&|step| (field.set)(&mut step.limits, (field.get)(&Limits::COMPILE) + 1)));
    }
    let mut keys: Vec<String> = others.iter().chain([&step]).map(|step| format!("{:?}", step.key())).collect();
    keys.sort_unstable();
    let all = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), all, "two steps have one key");
    assert_eq!(step.key(), step.clone().key());
}

/// Few letters, so that parts run into each other wherever nothing keeps them apart.
fn short() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "b", "ab", "bb", "\0", "a\0b"]).prop_map(str::to_owned)
}

fn step() -> impl Strategy<Value = Step> {
    let list = || prop::collection::vec(short(), 0..3);
    let pairs = || prop::collection::vec((short(), short()), 0..3);
    let files = || prop::collection::vec((short(), short(), any::<bool>()), 0..3);
    (short(), short(), list(), pairs(), files(), 0..2u64, 0..9usize, 0..2u64).prop_map(
        |(image, profile, argv, env, files, capture_bytes, field, more)| {
            let mut limits = Limits::COMPILE;
            let field = &LIMIT_FIELDS[field];
            (field.set)(&mut limits, (field.get)(&Limits::COMPILE) + more);
            let stack_bytes = limits.stack_bytes + more;
            Step { image, profile, argv, env: env.into_iter().collect(), limits, stack_bytes, files, capture_bytes }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_steps_have_one_key_only_when_they_are_the_same(one in step(), other in step()) {
        prop_assert_eq!(one.key() == other.key(), one == other);
    }

    #[test]
    fn neighbouring_parts_do_not_run_into_each_other(step in step(), at in any::<prop::sample::Index>()) {
        // One letter moves from a text to the one after it.
        let mut other = step.clone();
        if step.argv.len() == 2 && !step.argv[0].is_empty() {
            let moved = other.argv[0].pop().expect("it isn't empty");
            other.argv[1].insert(0, moved);
        } else if !step.files.is_empty() {
            let file = &mut other.files[at.index(step.files.len())];
            let (path, content, executable) = file.clone();
            *file = (content, path, executable);
        }
        prop_assert_eq!(step.key() == other.key(), step == other);
    }

    /// Whatever is asked of it, it holds no more than allowed, counts right, and gives what was kept.
    #[test]
    fn any_use_keeps_within_the_bound(uses in prop::collection::vec((0..12u64, 0..5_000usize, any::<bool>()), 0..60)) {
        let cache = CompileCache::new(16 << 10);
        for (number, bytes, is_kept) in uses {
            if is_kept {
                cache.keep(key(number), compiled(bytes));
            } else {
                has(&cache, number);
            }
            let contents = cache.contents();
            let sum: u64 = contents.entries.values().map(|entry| entry.bytes).sum();
            prop_assert!(contents.bytes == sum && sum <= 16 << 10);
            prop_assert_eq!(contents.entries.len(), contents.by_use.len());
            prop_assert!(contents.by_use.iter().all(|(used, key)| contents.entries[key].used == *used));
        }
    }
}
