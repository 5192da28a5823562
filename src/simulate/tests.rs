//! The model against what is known in closed form, and against what must never happen.

use proptest::prelude::*;

use super::*;

/// A fleet that never changes, with nothing in the way: no boot, no turnaround.
fn fixed(instances: f64, slots: f64) -> Scenario {
    Scenario {
        min_instances: instances,
        max_instances: instances,
        start_instances: instances,
        slots,
        turnaround_s: 0.0,
        service_limit_s: 43_200.0,
        ..Scenario::default()
    }
}

/// The mean wait of M/M/c (Erlang C), for `rate` arrivals a second and a mean service of one second.
fn erlang_c_wait(rate: f64, servers: u32) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..servers {
        term *= rate / f64::from(k);
        sum += term;
    }
    let all_busy = term * rate / f64::from(servers) / (1.0 - rate / f64::from(servers));
    all_busy / (sum + all_busy) / (f64::from(servers) - rate)
}

#[test]
fn the_mean_wait_in_steady_state_is_that_of_erlang() {
    for (instances, slots, rate) in [(1.0, 1.0, 0.7), (1.0, 4.0, 3.2), (5.0, 2.0, 8.5)] {
        let scenario = Scenario {
            shape: Shape::Exponential,
            service_p50_s: std::f64::consts::LN_2,
            steady_per_s: rate,
            duration_s: 200_000.0 / rate,
            ..fixed(instances, slots)
        };
        let outcome = simulate(&scenario, None);
        let expected = erlang_c_wait(rate, (instances * slots) as u32);
        // 200,000 correlated waits: the standard error is about two percent.
        let error = (outcome.wait_mean_s - expected).abs() / expected;
        assert!(error < 0.08, "{} instead of {expected}", outcome.wait_mean_s);
        let load = rate / (instances * slots);
        assert!((outcome.utilisation - load).abs() < 0.02, "{} instead of {load}", outcome.utilisation);
    }
}

#[test]
fn a_burst_at_once_is_gone_after_its_jobs_by_its_slots() {
    let scenario = Scenario {
        shape: Shape::Constant,
        service_p50_s: 2.0,
        burst_jobs: 1_000.0,
        burst_s: 0.0,
        ..fixed(5.0, 4.0)
    };
    let outcome = simulate(&scenario, None);
    assert_eq!(outcome.answered, 1_000);
    assert!((outcome.drain_s - 100.0).abs() < 1e-6, "{}", outcome.drain_s);
    assert!((outcome.wait_longest_s - 98.0).abs() < 1e-6);
    let turning = Scenario { turnaround_s: 0.5, ..scenario };
    assert!((simulate(&turning, None).drain_s - (50.0 * 2.5 - 0.5)).abs() < 1e-6);
}

#[test]
fn from_nothing_the_first_job_waits_for_a_period_its_delay_and_a_boot() {
    let scenario = Scenario {
        shape: Shape::Constant,
        burst_jobs: 8.0,
        burst_s: 0.0,
        min_instances: 0.0,
        start_instances: 0.0,
        max_instances: 1.0,
        turnaround_s: 0.0,
        ..Scenario::default()
    };
    let outcome = simulate(&scenario, None);
    // 60 s of the period, 60 s of its delay, 120 s of the boot; then two rounds of two seconds.
    assert!((outcome.drain_s - (240.0 + 4.0)).abs() < 1e-3, "{}", outcome.drain_s);
    assert_eq!((outcome.peak_instances, outcome.instances_launched), (1, 1));
}

#[test]
fn a_burst_is_met_with_more_instances_and_they_go_again() {
    let scenario = Scenario {
        burst_jobs: 20_000.0,
        max_instances: 200.0,
        duration_s: 7_200.0,
        ..Scenario::default()
    };
    let outcome = simulate(&scenario, None);
    assert!(outcome.peak_instances > 50, "{}", outcome.peak_instances);
    assert_eq!(outcome.timeline.last().map(|point| point.running), Some(1));
    let alone = simulate(&Scenario { max_instances: 1.0, ..scenario }, None);
    assert!(outcome.drain_s < alone.drain_s / 5.0);
}

#[test]
fn no_more_is_in_flight_than_sqs_gives_out() {
    let scenario = Scenario { burst_jobs: 500.0, burst_s: 0.0, in_flight_limit: 7.0, ..fixed(3.0, 4.0) };
    let outcome = simulate(&scenario, None);
    assert_eq!((outcome.answered, outcome.peak_in_flight), (500, 7));
    assert!(outcome.in_flight_limited_s > 0.0);
}

#[test]
fn launches_go_as_fast_as_their_bucket_and_no_faster() {
    let scenario = Scenario {
        shape: Shape::Constant,
        burst_jobs: 40_000.0,
        burst_s: 1.0,
        min_instances: 100.0,
        max_instances: 100.0,
        start_instances: 100.0,
        ..Scenario::default()
    };
    assert_eq!(simulate(&scenario, None).instances_launched, 100);
    let slow = Scenario { min_instances: 1.0, start_instances: 1.0, launch_burst: 1.0, launch_per_s: 0.01, ..scenario };
    let outcome = simulate(&slow, None);
    // One token at the start, then one in a hundred seconds.
    let most = 3.0 + outcome.simulated_s * 0.01;
    assert!(outcome.instances_launched as f64 <= most, "{} of {most}", outcome.instances_launched);
}

#[test]
fn a_crashed_workers_job_comes_back_after_the_visibility_timeout() {
    // One job of an hour would never end with a crash each minute: it is a dead letter after five receipts.
    let scenario = Scenario {
        shape: Shape::Constant,
        service_p50_s: 3_600.0,
        service_p95_s: 3_600.0,
        burst_jobs: 1.0,
        crashes_per_hour: 60.0,
        ..fixed(1.0, 1.0)
    };
    let outcome = simulate(&scenario, None);
    assert_eq!((outcome.answered, outcome.dead_letters, outcome.repeated_runs), (0, 1, 4));
    assert!(outcome.wasted_s > 0.0 && outcome.left == 0);
}

#[test]
fn idle_polls_are_one_in_each_long_poll() {
    let scenario = Scenario { burst_jobs: 1.0, duration_s: 86_400.0, ..fixed(10.0, 4.0) };
    let receives = simulate(&scenario, None).requests.receives;
    assert!((receives - 43_200.0).abs() <= 2.0, "{receives}");
}

#[test]
fn samples_are_read_from_arrays_results_and_csv_and_drawn_from() {
    let results = r#"{"timeline":{"received":"2026-01-01T00:00:00.000Z","finished":"2026-01-01T00:00:01.500Z"}}"#;
    assert_eq!(samples("[1, 2.5]"), Samples::new(vec![1.0, 2.5]));
    assert_eq!(samples(results), Samples::new(vec![1.5]));
    assert_eq!(samples("seconds,x\n1,a\n\n2.5,b\n"), Samples::new(vec![1.0, 2.5]));
    assert_eq!(samples("1\ntwo"), Err("line 2: \"two\" is no number of seconds".to_owned()));
    assert_eq!(samples("[1, -2]"), Err("service time 2 is -2; allowed are seconds above 0".to_owned()));
    assert_eq!(samples("{}"), Err("line 1: timeline.finished is missing".to_owned()));
    assert!(samples("").is_err());
    let drawn = Samples::new(vec![3.0]).expect("it is positive");
    let scenario = Scenario { burst_jobs: 4.0, burst_s: 0.0, ..fixed(1.0, 1.0) };
    assert!((simulate(&scenario, Some(&drawn)).drain_s - 12.0).abs() < 1e-6);
}

#[test]
fn all_mistakes_of_a_scenario_are_reported_with_line_and_key() {
    let text = "seed = 1.5\n[fleet]\nslot = 3\nboot_s = \"x\"\n[price]\nspot_hour = -1\n[servce]\np50_s = 1\n[service]\nshape = \"flat\"\n";
    let mistakes = Scenario::parse("s.toml", text).expect_err("there are mistakes");
    let text: String = mistakes.iter().map(|mistake| format!("{mistake}\n")).collect();
    insta::assert_snapshot!(text, @r#"
    s.toml:1: seed: 1.5 does not fit; allowed is a whole number from 0 to 9000000000000000
    s.toml:3: fleet.slot: is no setting of a scenario (docs/scaling.md lists them); did you mean fleet.slots?
    s.toml:4: fleet.boot_s: is no number; allowed is a number from 0 to 7200
    s.toml:6: price.spot_hour: -1 does not fit; allowed is a number from 0 to 1000000
    s.toml:7: servce: is no setting of a scenario (docs/scaling.md lists them)
    s.toml:10: service.shape: "flat" is unknown; allowed is one of lognormal, exponential, constant
    "#);
    let mut scenario = Scenario::default();
    assert_eq!(scenario.set("fleet.slots=9"), Ok(()));
    assert!(scenario.set("fleet.slots=0").is_err_and(|problem| problem.starts_with("fleet.slots: ")));
    assert!(scenario.set("fleet.slot=1").is_err_and(|problem| problem.contains("fleet.slots")));
    assert!(scenario.check().is_err_and(|problems| problems[0].starts_with("arrivals: ")));
}

#[test]
fn every_setting_stands_in_the_documents_and_its_default_is_allowed() {
    let page = include_str!("../../docs/scaling.md");
    for setting in SETTINGS {
        assert!(page.contains(&format!("`{}`", setting.key)), "docs/scaling.md doesn't name {}", setting.key);
        let mut scenario = Scenario::default();
        assert_eq!(scenario.set(&format!("{}={}", setting.key, setting.default_value())), Ok(()));
    }
    assert!(Scenario { burst_jobs: 1.0, ..Scenario::default() }.check().is_ok());
}

/// Ten instances' worth of jobs for three hours; in the second one the outgoing queue is away for half an hour.
fn outage() -> Scenario {
    Scenario {
        steady_per_s: 13.0,
        duration_s: 10_800.0,
        start_instances: 13.0,
        max_instances: 1_000.0,
        outage_at_s: 5_400.0,
        outage_s: 1_800.0,
        ..Scenario::default()
    }
}

#[test]
fn while_results_cannot_be_published_the_fleet_stays_as_large_as_it_was() {
    let outcome = simulate(&outage(), None);
    assert_eq!((outcome.answered, outcome.left, outcome.dead_letters), (outcome.jobs, 0, 0));
    let during = |from: f64, to: f64| {
        let wanted = outcome.timeline.iter().filter(move |it| (from..to).contains(&it.at_s)).map(|it| it.desired);
        (wanted.clone().min().expect("there are points"), wanted.max().expect("there are points"))
    };
    let (least, most) = during(3_600.0, 5_400.0);
    assert!(least >= 10 && most <= 16, "{least} to {most} before it");
    // A datapoint is two minutes old, and the minute in which it begins is half as before.
    let (least_during, most_during) = during(5_400.0, 7_200.0);
    assert!(least_during >= 8 && most_during <= most + 2, "{least_during} to {most_during} during it");
    assert!(during(7_200.0, 10_800.0).1 > 2 * most, "the backlog that it left is worked off");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn no_job_is_lost_and_none_is_counted_twice(
        seed in 0_u32..1_000_000, jobs in 1_u32..2_000, rate in 0.0..3.0, most in 1_u32..20, interruptions in 0.0..30.0,
        crashes in 0.0..30.0, slots in 1_u32..6, limit in 1_u32..200,
        outage in 0_u32..1_800,
    ) {
        let scenario = Scenario {
            seed: f64::from(seed),
            burst_jobs: f64::from(jobs),
            steady_per_s: rate,
            max_instances: f64::from(most),
            interruptions_per_hour: interruptions,
            crashes_per_hour: crashes,
            slots: f64::from(slots),
            in_flight_limit: f64::from(limit),
            outage_at_s: 300.0,
            outage_s: f64::from(outage),
            ..Scenario::default()
        };
        let outcome = simulate(&scenario, None);
        prop_assert_eq!(outcome.jobs, outcome.answered + outcome.dead_letters + outcome.left);
        prop_assert_eq!(outcome.left, 0);
        prop_assert!(outcome.peak_instances <= most as usize);
        prop_assert!(outcome.peak_in_flight <= u64::from(limit));
        prop_assert!((0.0..=1.0).contains(&outcome.utilisation));
        prop_assert_eq!(&outcome, &simulate(&scenario, None));
    }
}
