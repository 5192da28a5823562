//! The part of the page that has figures in it.

use std::fmt::Write as _;

use super::figures::{BARE, COMPARED_AT, Figures, PYTHON, first_seen};
use super::statistics::{median, percentile, spread_percent};
use super::targets::{number, targets};

/// Everything between the page's marks.
pub(crate) fn results(figures: &Figures) -> String {
    let sections = [run, targets_met, latency, throughput, cpu, tests, parts, worker, requests, times, flags, absent]
        .map(|it| it(figures));
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A table; nothing without rows.
fn table(out: &mut String, head: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    out.push_str(&line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()));
    let rule: Vec<String> = (0..head.len()).map(|at| if at == 0 { "---" } else { "---:" }.to_owned()).collect();
    out.push_str(&line(&rule));
    rows.iter().for_each(|row| out.push_str(&line(row)));
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

fn mebibytes(bytes: u64) -> String {
    number(bytes as f64 / f64::from(1 << 20))
}

fn run(figures: &Figures) -> String {
    let machine = &figures.machine;
    let mut out = format!("### The run of {}\n\n", figures.taken.get(..10).unwrap_or(&figures.taken));
    let runtimes = machine.runtimes.join(", ");
    let _ = writeln!(
        out,
        "{}, {} cores, {} GiB; {}, Linux {}; {}, storage driver {}, cgroup v{}, runtimes that work here: {}; {}. {} rounds in \
         {:.0} minutes. Just before, everything else on the machine used {:.0} % of one core.",
        machine.processor,
        machine.cores,
        machine.memory_bytes >> 30,
        machine.system,
        machine.kernel,
        machine.engine,
        machine.storage,
        machine.cgroup,
        runtimes,
        machine.caisson,
        figures.rounds,
        figures.seconds / 60.0,
        machine.background_percent
    );
    if figures.quick {
        out.push_str("\n**A quick run**: few rounds, so that everything past the median is a matter of luck.\n");
    }
    out
}

fn targets_met(figures: &Figures) -> String {
    let mut out = "### Targets\n\n".to_owned();
    let mut rows = Vec::new();
    for target in targets(figures) {
        let met = match target.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not here",
        };
        let reason = if target.met == Some(false) { target.reason } else { String::new() };
        rows.push(vec![
            target.what,
            target.goal,
            target.measured.unwrap_or_else(|| "–".to_owned()),
            met.to_owned(),
            reason,
        ]);
    }
    out.push_str("| what | target | measured | met | where the rest goes, and what would reach it |\n");
    out.push_str("| --- | ---: | ---: | --- | --- |\n");
    rows.iter().for_each(|row| {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    });
    out
}

fn latency(figures: &Figures) -> String {
    if figures.latency.is_empty() {
        return String::new();
    }
    let mut out =
        "### Latency, one at a time\n\n![Distribution of the latencies](performance/latency.svg)\n".to_owned();
    for workload in figures.workloads() {
        let mut rows = Vec::new();
        for one in figures.latency.iter().filter(|it| it.workload == workload) {
            let at = |percent| percentile(&one.samples_ms, percent);
            let added = |percent| figures.added_ms(workload, &one.way, percent).filter(|_| one.way != BARE);
            let mut row = vec![one.way.clone()];
            row.extend([50.0, 95.0, 99.0].map(|percent| cell(at(percent))));
            row.extend([50.0, 95.0, 99.0].map(|percent| cell(added(percent))));
            row.push(one.samples_ms.len().to_string());
            rows.push(row);
        }
        let _ = writeln!(out, "\n{workload}, in milliseconds; *added* is less the median of bare exec:\n");
        table(&mut out, &["way", "p50", "p95", "p99", "added p50", "added p95", "added p99", "runs"], &rows);
    }
    out
}

fn throughput(figures: &Figures) -> String {
    let all: Vec<_> = figures.throughput.iter().filter(|it| it.workload == PYTHON).collect();
    if all.is_empty() {
        return String::new();
    }
    let mut levels: Vec<usize> = all.iter().map(|it| it.at_a_time).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut out = "### Throughput\n\n![Jobs a second over jobs at a time](performance/throughput.svg)\n\n".to_owned();
    let _ =
        writeln!(out, "{PYTHON}, jobs a second with so many at a time, and how long a job took with {COMPARED_AT}:\n");
    let names: Vec<String> = levels.iter().map(usize::to_string).collect();
    let mut head = vec!["way"];
    head.extend(names.iter().map(String::as_str));
    head.extend(["p50, ms", "p95, ms"]);
    let mut rows = Vec::new();
    for way in figures.ways() {
        if !all.iter().any(|it| it.way == way) {
            continue;
        }
        let mut row = vec![way.to_owned()];
        row.extend(levels.iter().map(|level| cell(figures.jobs_per_s(PYTHON, way, *level))));
        let compared = figures.throughput_of(PYTHON, way, COMPARED_AT);
        row.extend([50.0, 95.0].map(|percent| cell(compared.and_then(|it| percentile(&it.latency_ms, percent)))));
        rows.push(row);
    }
    table(&mut out, &head, &rows);
    out
}

fn cpu(figures: &Figures) -> String {
    let mut rows = Vec::new();
    for one in figures.throughput.iter().filter(|it| it.at_a_time == COMPARED_AT && it.workload == PYTHON) {
        let Some(cpu) = one.cpu else { continue };
        let shares = [cpu.engine_ms, cpu.container_ms, cpu.driver_ms, cpu.total_ms()];
        rows.push([vec![one.way.clone()], shares.map(number).to_vec()].concat());
    }
    if rows.is_empty() {
        return String::new();
    }
    let mut out = "### CPU time of a job\n\n![CPU time of a job, and whose it is](performance/cpu.svg)\n\n".to_owned();
    let _ = writeln!(out, "{PYTHON}, {COMPARED_AT} at a time, in CPU-milliseconds a job:\n");
    table(
        &mut out,
        &["way", "engine and runtime", "counted in the container", "worker, or `docker`", "together"],
        &rows,
    );
    out
}

fn tests(figures: &Figures) -> String {
    if figures.batches.is_empty() {
        return String::new();
    }
    let mut out = "### Many tests in a job\n\n".to_owned();
    let _ = writeln!(out, "Tests a second, {COMPARED_AT} jobs at a time:\n");
    let rows: Vec<Vec<String>> = figures
        .batches
        .iter()
        .map(|one| {
            vec![format!("{}, {}", one.workload, one.way), one.tests.to_string(), cell(median(&one.tests_per_s))]
        })
        .collect();
    table(&mut out, &["what", "tests in a job", "tests a second"], &rows);
    let mut rows = Vec::new();
    for workload in super::figures::first_seen(figures.jobs_of_tests.iter().map(|it| it.workload.as_str())) {
        let bare = figures.latencies(workload, BARE).and_then(median);
        rows.push(vec![
            workload.to_owned(),
            cell(figures.test_ms(workload)),
            cell(bare),
            cell(figures.added_test_ms(workload)),
        ]);
    }
    if !rows.is_empty() {
        out.push_str(
            "\nWhat each further test takes, from jobs of 20 and of 100 tests, one job at a time, in milliseconds:\n\n",
        );
        table(&mut out, &["program", "a further test", "bare exec", "beside the program"], &rows);
    }
    if let Some(agent) = &figures.agent {
        let _ = writeln!(
            out,
            "\nThe agent alone, over two pipes and without a container: {} ms where bare exec takes {} ms, {} ms more.",
            cell(median(&agent.agent_ms)),
            cell(median(&agent.bare_ms)),
            cell(figures.agent_ms())
        );
    }
    out
}

fn parts(figures: &Figures) -> String {
    let mut out = String::new();
    if !figures.checkers.is_empty() {
        out.push_str("### Checkers\n\nOne core, outputs in chunks of a pipe's size:\n\n");
        let row = |one: &super::figures::Checker| {
            let grown = format!("{} KiB", one.grown_bytes / 1024);
            vec![one.name.clone(), number(one.megabytes_per_s), mebibytes(one.compared_bytes), grown]
        };
        let rows: Vec<Vec<String>> = figures.checkers.iter().map(row).collect();
        table(&mut out, &["checker", "MB/s", "compared, MiB", "memory taken"], &rows);
    }
    if !figures.parts.is_empty() {
        out.push_str("\n### Reading jobs, writing results\n\n");
        let row = |one: &super::figures::Part| {
            let speed = one.bytes as f64 / one.microseconds.max(1e-9);
            vec![one.name.clone(), one.bytes.to_string(), number(one.microseconds), number(speed)]
        };
        let rows: Vec<Vec<String>> = figures.parts.iter().map(row).collect();
        table(&mut out, &["what", "bytes", "µs", "MB/s"], &rows);
    }
    out
}

fn worker(figures: &Figures) -> String {
    let Some(worker) = &figures.worker else { return String::new() };
    let requests: Vec<String> = worker.requests.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!(
        "### A worker's own cost\n\nA process of `caisson worker` with {} slots, {} jobs waiting in its queue: {} CPU-ms a job of its \
         own, {} MiB resident ({} MiB at most), {} requests to SQS a job ({}).\n",
        worker.slots,
        worker.jobs,
        number(worker.cpu_ms_per_job),
        mebibytes(worker.resident_bytes),
        mebibytes(worker.resident_peak_bytes),
        cell(figures.requests_per_job()),
        requests.join(", ")
    )
}

fn requests(figures: &Figures) -> String {
    let Some(first) = figures.requests.first() else { return String::new() };
    let operations = first_seen(figures.requests.iter().flat_map(|one| one.requests.keys().map(String::as_str)));
    let rows: Vec<Vec<String>> = figures
        .requests
        .iter()
        .map(|one| {
            let mut row = vec![number(one.jobs_per_s), one.jobs.to_string()];
            row.extend(operations.iter().map(|operation| number(one.of(operation))));
            row.push(number(one.per_job()));
            row
        })
        .collect();
    let mut out = format!(
        "### Requests to SQS\n\nRequests a job of a worker of {} slots whose jobs take time and do nothing, its queue \
         full, each request {} ms long:\n\n",
        first.slots, first.distance_ms
    );
    let columns: Vec<&str> = ["jobs a second", "jobs"].into_iter().chain(operations).chain(["together"]).collect();
    table(&mut out, &columns, &rows);
    out
}

fn times(figures: &Figures) -> String {
    let mut out = String::new();
    if let Some(spread) = &figures.spread {
        let rows = [("bare exec", &spread.bare_ms), ("alone", &spread.alone_ms), ("every slot busy", &spread.busy_ms)];
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(when, values)| {
                let at = |percent| cell(percentile(values, percent));
                let spread = format!("{} %", cell(spread_percent(values)));
                vec![when.to_owned(), at(5.0), at(50.0), at(95.0), spread, values.len().to_string()]
            })
            .collect();
        let _ = writeln!(
            out,
            "### How steady CPU time is\n\nOne program that always does the same, CPU-ms as judged, {} slots:\n",
            spread.slots
        );
        table(&mut out, &["", "p5", "p50", "p95", "spread (p95 − p5 of p50)", "runs"], &rows);
    }
    if let Some(flips) = &figures.flips {
        let limit = flips.limit_ms as f64;
        let most = flips.used_ms.iter().copied().fold(0.0, f64::max);
        let _ = writeln!(
            out,
            "\nBeside {} slots with fork bombs and endless loops, a program that uses {} of its {} CPU-ms ({:.0} %) was run {} times; it \
             used {} at most and got {} wrong verdicts{}.",
            flips.neighbours,
            cell(median(&flips.used_ms)),
            flips.limit_ms,
            median(&flips.used_ms).unwrap_or_default() / limit.max(1.0) * 100.0,
            flips.runs,
            number(most),
            flips.wrong.len(),
            if flips.wrong.is_empty() { String::new() } else { format!(" ({})", flips.wrong.join(", ")) }
        );
    }
    out
}

fn flags(figures: &Figures) -> String {
    if figures.flags.is_empty() {
        return String::new();
    }
    let mut out = "### The hardened `docker run`, in full\n\n```sh\n".to_owned();
    let mut line = String::new();
    for argument in &figures.flags {
        // Where the run had the profile is nobody's business afterwards.
        let argument = if argument.starts_with("seccomp=") { "seccomp=PROFILE.json" } else { argument.as_str() };
        let quoted = if argument.contains(char::is_whitespace) { format!("'{argument}'") } else { argument.to_owned() };
        if argument.starts_with("--") && !line.is_empty() {
            let _ = writeln!(out, "{line} \\");
            line = "   ".to_owned();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&quoted);
    }
    let _ = writeln!(out, "{line} IMAGE PROGRAM…\n```");
    out
}

fn absent(figures: &Figures) -> String {
    if figures.absent.is_empty() {
        return String::new();
    }
    let mut out = "### Not here\n\n".to_owned();
    for absent in &figures.absent {
        let _ = writeln!(out, "- {}: {}", absent.what, absent.why);
    }
    out
}
