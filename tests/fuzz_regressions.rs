//! The fuzz targets without a fuzzer: every input that once broke something, every seed, and some thousand mutations of
//! them, the same in each run. The targets themselves are in `fuzz/`.
//!
//! A file in `fuzz/regressions/TARGET/` whose name begins with `open-` shows a bug that is still there; it has to fail.

#[path = "../fuzz/src/seeds.rs"]
#[allow(unreachable_pub, dead_code, reason = "the fuzzer's own package uses all of it")]
mod seeds;
#[path = "../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "the fuzzer's own package uses it")]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use targets::{TARGETS, Target};

/// Mutations of each target, at most, and the time in which a slow build does fewer. An input that is found here is found
/// again by its number, however fast the machine.
const MUTATIONS: u64 = 4_000;
const LONGEST: Duration = Duration::from_millis(1_500);

#[test]
fn what_once_broke_a_target_no_longer_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
    let mut replayed = 0;
    for (name, run) in TARGETS {
        let Ok(entries) = std::fs::read_dir(folder.join(name)) else { continue };
        for entry in entries {
            let path = entry.expect("its entries can be read").path();
            let is_open = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("open-"));
            let input = std::fs::read(&path).expect("it can be read");
            let held = catch_unwind(|| run(&input)).is_ok();
            assert!(held || is_open, "{name} is broken by {}", path.display());
            assert!(!held || !is_open, "{} breaks nothing any more: take `open-` off its name", path.display());
            replayed += 1;
        }
    }
    assert!(replayed > 0, "there are no regressions in {}", folder.display());
}

#[test]
fn every_folder_of_regressions_is_a_targets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let name = entry.expect("its entries can be read").file_name();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "{name:?} is no target");
    }
}

#[test]
fn every_target_is_a_program_of_the_fuzz_package() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

/// A test for each target, so that they run beside each other and are told apart.
macro_rules! hold {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                let target = TARGETS.into_iter().find(|(name, _)| *name == stringify!($name));
                hold(target.expect("the target is in the table"));
            }
        )+

        #[test]
        fn every_target_has_a_test_here() {
            let names = [$(stringify!($name)),+];
            assert!(TARGETS.iter().all(|(name, _)| names.contains(name)));
        }
    };
}
hold!(
    job_parse s3_pointer trace_context request_frame event_frame sealed_frame cgroup_text proc_net_dev checkers report_cut
    config_parse language_parse placeholders
);

/// Runs the target over its seeds and mutations of them.
fn hold((name, run): Target) {
    let seeds = seeds::of(name);
    assert!(!seeds.is_empty());
    for seed in &seeds {
        check(name, run, seed, "a seed");
    }
    let words: Vec<Vec<u8>> = seeds::words(name).into_iter().map(String::into_bytes).collect();
    let begin = Instant::now();
    for number in 0..MUTATIONS {
        if begin.elapsed() > LONGEST {
            break;
        }
        let input = Chance(number + 1).mutation(&seeds, &words);
        check(name, run, &input, &format!("mutation {number}"));
    }
}

fn check(name: &str, run: fn(&[u8]), input: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| run(input))).is_err() {
        let file = std::env::temp_dir().join(format!("caisson-fuzz-{name}"));
        std::fs::write(&file, input).expect("the input can be written");
        panic!("{name} is broken by {what}: {}\nkept in {}", String::from_utf8_lossy(input), file.display());
    }
}

/// Numbers that look random and are the same in each run (xorshift64*). Never zero.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    /// A seed with a few places changed.
    fn mutation(&mut self, seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
        // The first few numbers of a small state are alike.
        for _ in 0..8 {
            self.below(2);
        }
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let end = (at + self.below(12)).min(input.len());
            let put = match self.below(8) {
                0 => Vec::new(),
                1 => vec![self.below(256) as u8],
                2 => input[at..end].repeat(2),
                3 if !words.is_empty() => words[self.below(words.len())].clone(),
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    other[from..(from + self.below(64)).min(other.len())].to_vec()
                }
                5 => self.below(usize::MAX).to_string().into_bytes(),
                6 if at < end => {
                    let mut flipped = input[at..end].to_vec();
                    let byte = self.below(flipped.len());
                    flipped[byte] ^= 1 << self.below(8);
                    flipped
                }
                _ => b"\xff\0"[..self.below(3)].to_vec(),
            };
            input.splice(at..end, put);
        }
        input
    }
}
