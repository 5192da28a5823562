//! What was aimed for, beside what was measured.

use super::figures::{BARE, COMPARED_AT, DOCKER_RUN, Figures, PROGRAM, PYTHON, RECYCLED, Requests, WARM};
use super::statistics::spread_percent;

/// One thing that was aimed for.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) goal: String,
    /// In words; `None` when it could not be measured here.
    pub(crate) measured: Option<String>,
    pub(crate) met: Option<bool>,
    /// Where the rest goes, and what would bring it down. Of use when it isn't met.
    pub(crate) reason: String,
}

/// Whether a figure has to be small or large.
#[derive(Clone, Copy)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

/// A figure with the digits that its size deserves.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn target(what: &str, aim: Aim, unit: &str, value: Option<f64>, reason: String) -> Target {
    let (sign, bound) = match aim {
        Aim::AtMost(bound) => ("≤", bound),
        Aim::AtLeast(bound) => ("≥", bound),
    };
    let met = value.map(|value| match aim {
        Aim::AtMost(bound) => value <= bound,
        Aim::AtLeast(bound) => value >= bound,
    });
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    let measured = value.map(|value| format!("{}{unit}", number(value)));
    Target { what: what.to_owned(), goal: format!("{sign} {bound}{unit}"), measured, met, reason }
}

/// All targets, in the order of the page.
pub(crate) fn targets(figures: &Figures) -> Vec<Target> {
    let mut all = latency(figures);
    all.extend(throughput(figures));
    all.extend(checkers(figures));
    all.extend(worker(figures));
    all.extend(times(figures));
    all
}

fn latency(figures: &Figures) -> Vec<Target> {
    let added = |percent| figures.added_ms(PYTHON, WARM, percent);
    let bare = figures.added_ms(PROGRAM, WARM, 50.0).map_or_else(String::new, |added| {
        format!("a program of one file takes {} ms more; the rest is the interpreter's first start in a file system that was \
                 mounted for this job alone; ", number(added))
    });
    let warm = format!(
        "{bare}two round trips to the agent and back lead through the engine and the container's shim; a \
                        connection past them would shorten both"
    );
    let tail = "the tail is the kernel's and the engine's: removal and refill of earlier containers, and the disk's flushes; \
                an engine whose data are on a faster disk, or recycled containers, have less of them";
    let test = "each test has its own fork and exec, a restored workspace, a sweep and a wipe, and a message each way; a \
                program that writes nothing could be spared the restoring";
    let agent = "the agent's fork, its filter and Landlock domain on the child, the sweep and the wipe behind it; the kernel \
                 does most of that work";
    vec![
        target("added to bare exec, warm, p50 (Python hello)", Aim::AtMost(10.0), "ms", added(50.0), warm.clone()),
        target("the same, as hoped for", Aim::AtMost(5.0), "ms", added(50.0), warm),
        target("added to bare exec, warm, p95 (Python hello)", Aim::AtMost(20.0), "ms", added(95.0), tail.to_owned()),
        target(
            "a further test of a job, beside the program, C",
            Aim::AtMost(2.0),
            "ms",
            figures.added_test_ms(PROGRAM),
            test.to_owned(),
        ),
        target(
            "the same, Python",
            Aim::AtMost(2.0),
            "ms",
            figures.added_test_ms(PYTHON),
            format!(
                "{test}; and in the container the interpreter's start reads its files from the engine's storage driver, where bare \
             exec reads them from the disk's cache"
            ),
        ),
        target(
            "of that the agent itself, without a container",
            Aim::AtMost(0.5),
            "ms",
            figures.agent_ms(),
            agent.to_owned(),
        ),
    ]
}

fn throughput(figures: &Figures) -> Vec<Target> {
    let docker_run = figures.jobs_per_s(PYTHON, DOCKER_RUN, COMPARED_AT);
    let against = |way: &str| Some(figures.jobs_per_s(PYTHON, way, COMPARED_AT)? / docker_run?);
    let crun = against(&format!("{RECYCLED} (crun)"));
    let cpu = figures.throughput_of(PYTHON, WARM, COMPARED_AT).and_then(|it| it.cpu);
    let reason = match cpu {
        Some(cpu) => format!(
            "a job in a container of its own costs {} CPU-ms here, of which {} are the engine's and its runtime's and {} are \
             counted in the container; recycled containers save the making and the removing, crun makes the start shorter",
            number(cpu.total_ms()),
            number(cpu.engine_ms),
            number(cpu.container_ms)
        ),
        None => "a container of its own for each job costs what the engine takes to make and remove it; recycled containers \
                 save that, crun makes the start shorter"
            .to_owned(),
    };
    let recycled = figures.throughput_of(PYTHON, &format!("{RECYCLED} (crun)"), COMPARED_AT).and_then(|it| it.cpu);
    let with_crun = recycled.map_or_else(
        || reason.clone(),
        |cpu| format!(
            "{} CPU-ms a job are left to the engine, its shims and crun, {} to the container: a start of a container is most of \
             it, and the engine's part of that is the same with every runtime; more would take fewer starts, or another engine",
            number(cpu.engine_ms),
            number(cpu.container_ms)
        ),
    );
    let own = figures.tests_per_s(PYTHON, DOCKER_RUN, 1);
    let many = figures.tests_per_s(PYTHON, WARM, 20).zip(own).map(|(many, own)| many / own);
    let small = figures.tests_per_s(PROGRAM, DOCKER_RUN, 1);
    let small = figures.tests_per_s(PROGRAM, WARM, 20).zip(small).map(|(many, own)| many / own);
    let highest =
        figures.jobs_per_s(PYTHON, BARE, COMPARED_AT).zip(docker_run).map_or_else(String::new, |(bare, run)| {
            format!("bare exec, which has no container at all, comes to {} × here; ", number(bare / run))
        });
    let ceiling = format!(
        "{highest}with more tests in a job the container's share gets smaller, with a smaller program the \
                           program's"
    );
    vec![
        target(
            "one-test jobs/s, four at a time, warm, against docker run",
            Aim::AtLeast(2.0),
            "×",
            against(WARM),
            reason.clone(),
        ),
        target("the same, recycled", Aim::AtLeast(2.0), "×", against(RECYCLED), reason.clone()),
        target("the same, recycled and with crun", Aim::AtLeast(3.0), "×", crun, with_crun),
        target(
            "tests/s of 20-test jobs against one docker run a test (Python hello)",
            Aim::AtLeast(20.0),
            "×",
            many,
            ceiling.clone(),
        ),
        target("the same, C", Aim::AtLeast(20.0), "×", small, ceiling),
    ]
}

/// What a comparison may take beside what is compared, in KiB: pages that the allocator or the kernel touches anyway.
const CONSTANT_KIB: f64 = 1024.0;

fn checkers(figures: &Figures) -> Vec<Target> {
    let speed = |name: &str| figures.checker(name).map(|checker| checker.megabytes_per_s);
    let grown = figures.checkers.iter().map(|checker| checker.grown_bytes as f64 / 1024.0).reduce(f64::max);
    let slow = "bytes that are equal on both sides are skipped in blocks; what differs in its white space is walked one byte at \
                a time, which wider instructions could do faster";
    vec![
        target("checker exact", Aim::AtLeast(500.0), "MB/s", speed("exact"), slow.to_owned()),
        target("checker tokens", Aim::AtLeast(500.0), "MB/s", speed("tokens"), slow.to_owned()),
        target(
            "checker tokens, every blank another",
            Aim::AtLeast(500.0),
            "MB/s",
            speed("tokens, other white space"),
            slow.to_owned(),
        ),
        target(
            "memory that a comparison takes, whatever the output's length",
            Aim::AtMost(CONSTANT_KIB),
            "KiB",
            grown,
            "a comparison keeps a position and at most one short token; more than that is a fault".to_owned(),
        ),
    ]
}

fn worker(figures: &Figures) -> Vec<Target> {
    let worker = figures.worker.as_ref();
    let resident = worker.map(|worker| worker.resident_peak_bytes as f64 / f64::from(1 << 20));
    let requests = figures.requests_per_job().zip(worker).map_or_else(String::new, |(_, worker)| {
        let each: Vec<String> = worker.requests.iter().map(|(name, count)| format!("{name} {count}")).collect();
        format!("for {} jobs: {}; ", worker.jobs, each.join(", "))
    });
    let busiest = figures.requests.iter().max_by(|one, other| one.jobs_per_s.total_cmp(&other.jobs_per_s));
    let fast = match busiest {
        Some(busiest) => format!("the same at {} pretended jobs a second", number(busiest.jobs_per_s)),
        None => "the same at many pretended jobs a second".to_owned(),
    };
    vec![
        target("the worker's own CPU time a job", Aim::AtMost(3.0), "ms", worker.map(|worker| worker.cpu_ms_per_job),
            "half is spent in its own code, a third in the kernel's: for each job several calls of the engine's API, two requests to \
             SQS, and the engine's events; the connections that strace counts are several a job, so keeping them may save some".to_owned()),
        target("its resident memory with 16 slots, at most", Aim::AtMost(40.0), "MiB", resident,
            "the program's own pages, and for each live container a connection with its buffers".to_owned()),
        target("SQS requests a job, by a worker with as many jobs a second as this machine can do", Aim::AtMost(0.5), "",
            figures.requests_per_job(), format!(
            "{requests}no result waits for another and no free slot for a second one, so batches fill up only as fast as jobs \
             end: see the row below"
        )),
        target(&fast, Aim::AtMost(0.5), "", busiest.map(Requests::per_job),
            "results are published and slots are filled one by one unless several are ready within one request's time; jobs that \
             come in larger numbers a second fill larger batches".to_owned()),
    ]
}

fn times(figures: &Figures) -> Vec<Target> {
    let spread = figures.spread.as_ref();
    let flips = figures.flips.as_ref().map(|flips| flips.wrong.len() as f64);
    let bare = spread
        .and_then(|spread| spread_percent(&spread.bare_ms))
        .map_or_else(String::new, |bare| format!("the same program without a container has {} % here; ", number(bare)));
    let shared = "on a virtual machine the CPU's own speed changes with what the host's other guests do, and the kernel's work for \
                  the program (page faults, interrupts) is counted with it; dedicated hosts have less of both";
    vec![
        target("spread of one program's CPU time, alone", Aim::AtMost(3.0), "%",
            spread.and_then(|spread| spread_percent(&spread.alone_ms)), format!("{bare}{shared}")),
        target("the same, every slot busy", Aim::AtMost(6.0), "%",
            spread.and_then(|spread| spread_percent(&spread.busy_ms)), format!("{shared}; slots that share a core's caches slow each other down")),
        target("wrong verdicts at 80 % of the CPU limit, beside hostile programs", Aim::AtMost(0.0), "", flips,
            "a program's CPU time is its own, but caches and memory are shared; a larger distance from the limit is what a problem \
             setter has".to_owned()),
    ]
}
