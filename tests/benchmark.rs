//! What `just bench` makes of its figures: percentiles, targets, the page and its pictures, from a recorded run.

#[allow(dead_code, reason = "the benchmark itself uses all of it")]
#[path = "../benches/compare/report/mod.rs"]
mod report;

use report::figures::{
    Agent, Batch, Checker, Cpu, DOCKER_RUN, Figures, Flips, JobsOfTests, PROGRAM, PYTHON, RECYCLED, Spread, Throughput,
    WARM,
};
use report::statistics::{distribution, median, percentile, slope, spread_percent};
use report::{markdown, page, plots, targets};

/// A short run, as it was written.
fn recorded() -> Figures {
    serde_json::from_str(include_str!("benchmark/result.json")).expect("the recorded run has the form of today")
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 1e-9)
}

#[test]
fn percentiles_lie_between_two_values_by_their_distance() {
    let values = [40.0, 10.0, 30.0, 20.0];
    assert!(near(percentile(&values, 0.0), 10.0) && near(percentile(&values, 100.0), 40.0));
    assert!(near(median(&values), 25.0), "{:?}", median(&values));
    assert!(near(percentile(&values, 95.0), 38.5), "{:?}", percentile(&values, 95.0));
    assert!(near(median(&[7.0]), 7.0) && near(percentile(&[7.0], 99.0), 7.0));
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[f64::NAN]), None);
    // 1 to 101: the percentile is the number after it.
    let many: Vec<f64> = (1..=101).rev().map(f64::from).collect();
    assert!(near(percentile(&many, 99.0), 100.0) && near(percentile(&many, 5.0), 6.0));
}

#[test]
fn a_spread_is_between_the_tails_and_a_slope_is_what_one_more_costs() {
    let values: Vec<f64> = (1..=101).map(f64::from).collect();
    assert!(near(spread_percent(&values), 90.0 / 51.0 * 100.0));
    assert!(near(spread_percent(&[5.0, 5.0, 5.0]), 0.0));
    assert_eq!(spread_percent(&[0.0, 0.0]), None);
    assert!(near(slope((20, &[30.0, 31.0, 29.0]), (100, &[110.0])), 1.0));
    assert_eq!(slope((100, &[1.0]), (20, &[1.0])), None);
    assert_eq!(distribution(&[2.0, 1.0]), [(1.0, 0.5), (2.0, 1.0)]);
}

#[test]
fn what_is_added_is_less_the_median_of_bare_exec() {
    let mut figures = Figures::default();
    let mut add = |way: &str, samples_ms: Vec<f64>| {
        let workload = PYTHON.to_owned();
        figures.latency.push(report::figures::Latency { workload, way: way.to_owned(), samples_ms });
    };
    add(report::figures::BARE, vec![10.0, 12.0, 50.0]);
    add(WARM, vec![20.0, 21.0, 22.0]);
    assert!(near(figures.added_ms(PYTHON, WARM, 50.0), 9.0));
    assert!(near(figures.added_ms(PYTHON, WARM, 100.0), 10.0));
    assert_eq!(figures.added_ms(PYTHON, RECYCLED, 50.0), None);
    assert_eq!(figures.added_ms(PROGRAM, WARM, 50.0), None);
}

/// A target's word for these figures.
fn met(figures: &Figures, what: &str) -> Option<bool> {
    let all = targets::targets(figures);
    let found: Vec<_> = all.iter().filter(|target| target.what.starts_with(what)).collect();
    assert_eq!(found.len(), 1, "{what}");
    found[0].met
}

#[test]
fn targets_are_met_at_their_bound_and_not_past_it_and_unknown_without_figures() {
    let mut figures = Figures::default();
    assert!(targets::targets(&figures).iter().all(|target| target.met.is_none() && target.measured.is_none()));
    let rate = |way: &str, rate: f64| Throughput {
        workload: PYTHON.to_owned(),
        way: way.to_owned(),
        at_a_time: 4,
        jobs_per_s: vec![rate],
        latency_ms: vec![100.0],
        cpu: None,
    };
    let against = "one-test jobs/s";
    figures.throughput = vec![rate(DOCKER_RUN, 5.0), rate(WARM, 10.0)];
    assert_eq!(met(&figures, against), Some(true));
    figures.throughput = vec![rate(DOCKER_RUN, 5.0), rate(WARM, 9.9)];
    assert_eq!(met(&figures, against), Some(false));

    let checker = |speed, grown_bytes| Checker {
        name: "tokens".to_owned(),
        megabytes_per_s: speed,
        grown_bytes,
        compared_bytes: 1 << 20,
    };
    figures.checkers = vec![checker(500.0, 1 << 20)];
    assert_eq!(met(&figures, "memory that a comparison takes"), Some(true));
    figures.checkers = vec![checker(499.0, (1 << 20) + 1024)];
    assert_eq!(met(&figures, "memory that a comparison takes"), Some(false));

    figures.spread =
        Some(Spread { slots: 2, bare_ms: Vec::new(), alone_ms: vec![100.0, 100.0], busy_ms: vec![100.0, 110.0] });
    assert_eq!(met(&figures, "spread of one program"), Some(true));
    let flips = |wrong| Flips { runs: 200, limit_ms: 250, used_ms: vec![200.0], wrong, neighbours: 1 };
    figures.flips = Some(flips(vec![]));
    assert_eq!(met(&figures, "wrong verdicts"), Some(true));
    figures.flips = Some(flips(vec!["TimeLimit".to_owned()]));
    assert_eq!(met(&figures, "wrong verdicts"), Some(false));

    let batch = |way: &str, tests, rate| Batch {
        workload: PYTHON.to_owned(),
        way: way.to_owned(),
        tests,
        tests_per_s: vec![rate],
    };
    figures.batches = vec![batch(DOCKER_RUN, 1, 5.0), batch(WARM, 20, 100.0)];
    assert_eq!(met(&figures, "tests/s of 20-test jobs"), Some(true));
    let of = |tests, took| JobsOfTests { workload: PROGRAM.to_owned(), tests, job_ms: vec![took] };
    figures.jobs_of_tests = vec![of(20, 30.0), of(100, 110.0)];
    assert!(near(figures.test_ms(PROGRAM), 1.0));
    figures.agent = Some(Agent { agent_ms: vec![1.1], bare_ms: vec![0.5] });
    assert_eq!(met(&figures, "of that the agent itself"), Some(false));
}

#[test]
fn a_recorded_run_becomes_a_page_with_every_section_and_way() {
    let figures = recorded();
    let text = markdown::results(&figures);
    assert!(text.contains("seccomp=PROFILE.json") && !text.contains("/somewhere"), "a path of the run is on the page");
    for heading in [
        "### The run of ",
        "### Targets",
        "### Latency, one at a time",
        "### Throughput",
        "### CPU time of a job",
        "### Many tests in a job",
        "### Checkers",
        "### Reading jobs, writing results",
        "### A worker's own cost",
        "### Requests to SQS",
        "### How steady CPU time is",
        "### The hardened `docker run`, in full",
    ] {
        assert!(text.contains(heading), "{heading} is missing:\n{text}");
    }
    for way in figures.ways() {
        assert!(text.contains(&format!("| {way} |")), "{way}");
    }
    // Every flag is there to be read.
    for flag in figures.flags.iter().filter(|flag| flag.starts_with("--")) {
        assert!(text.contains(flag.as_str()), "{flag}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf |"), "{text}");
    // Every row of a table has as many cells as its head.
    for paragraph in text.split("\n\n").filter(|paragraph| paragraph.starts_with("| ")) {
        let cells: Vec<usize> = paragraph.lines().map(|line| line.matches(" | ").count()).collect();
        assert!(cells.windows(2).all(|two| two[0] == two[1]), "{paragraph}");
    }
}

#[test]
fn what_could_not_be_measured_is_said_and_the_rest_stands() {
    let mut figures = recorded();
    figures.worker = None;
    figures.agent = None;
    figures
        .absent
        .push(report::figures::Absent { what: "the runtime crun".to_owned(), why: "it isn't there".to_owned() });
    let text = markdown::results(&figures);
    assert!(!text.contains("### A worker's own cost") && text.contains("- the runtime crun: it isn't there\n"));
    assert!(text.contains("| – | not here |"), "{text}");
    // Nothing measured at all is a page, too.
    assert!(markdown::results(&Figures::default()).contains("### Targets"));
}

#[test]
fn the_pictures_show_every_way_on_light_and_on_dark() {
    let mut figures = recorded();
    // Another runtime's lines are its way's, dashed.
    let mut again = figures.latency.iter().find(|it| it.way == WARM).expect("it was measured").clone();
    again.way = format!("{WARM} (crun)");
    figures.latency.push(again);
    let pictures = plots::plots(&figures);
    assert_eq!(pictures.each_ref().map(|(name, _)| *name), ["latency.svg", "throughput.svg", "cpu.svg"]);
    for (name, picture) in &pictures {
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{name}");
        assert!(picture.contains("prefers-color-scheme: dark"), "{name}");
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{name}");
        assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count(), "{name}");
    }
    let [(_, latency), (_, throughput), (_, cpu)] = &pictures;
    for way in figures.latency.iter().map(|it| &it.way) {
        assert!(latency.contains(&format!(">{way}<")), "{way}");
    }
    for workload in figures.workloads() {
        assert!(latency.contains(&format!(">{workload}: ")), "{workload}");
    }
    assert!(latency.contains("stroke-dasharray") && latency.contains(" ms<") && latency.contains("50 %"));
    assert!(throughput.contains("jobs at a time") && throughput.contains("jobs a second"));
    assert!(cpu.contains("CPU-ms a job") && cpu.contains("counted in the container"));
    // Nothing measured at all draws empty pictures.
    assert!(plots::plots(&Figures::default()).iter().all(|(_, picture)| picture.ends_with("</svg>\n")));
}

#[test]
fn a_jobs_cpu_time_is_the_sum_of_its_shares() {
    assert!((Cpu { engine_ms: 1.0, container_ms: 2.0, driver_ms: 4.0 }.total_ms() - 7.0).abs() < 1e-9);
}

#[test]
fn only_what_is_between_the_marks_is_replaced() {
    let page = format!("before\n{}\nold\n{}\nafter\n", page::BEGIN, page::END);
    let new = page::replaced(&page, "new\n").expect("the marks are there");
    assert_eq!(new, format!("before\n{}\n\nnew\n\n{}\nafter\n", page::BEGIN, page::END));
    assert_eq!(page::replaced(&new, "new").as_deref(), Ok(new.as_str()), "once more changes nothing");
    for broken in ["no marks", page::BEGIN, &format!("{}{}", page::END, page::BEGIN), &format!("{page}{page}")] {
        assert!(page::replaced(broken, "new").is_err(), "{broken}");
    }
}

#[test]
fn the_page_has_its_marks_and_every_target_is_in_it() {
    let page = include_str!("../docs/performance.md");
    assert!(page::replaced(page, "").is_ok());
}
