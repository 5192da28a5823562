//! Many tests and many jobs, each of them right.

use crate::support::engine::docker;
use crate::support::jobs::{c, test};
use crate::support::lab::Lab;
use crate::support::until;
use crate::verdicts;
use serde_json::{Value, json};

/// Prints the number it reads times its argument.
const TIMES: &str = r#"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) { long number; scanf("%ld", &number); printf("%ld\n", number * atol(argv[1])); }
"#;

/// A job of so many tests, of which every 17th expects something wrong; and the verdicts it should get.
fn many_tests(count: u64, factor: u64) -> (Value, Vec<&'static str>) {
    let is_wrong = |number: u64| number % 17 == 3;
    let tests: Vec<Value> = (0..count)
        .map(|number| {
            let expected = number * factor + u64::from(is_wrong(number));
            test(&format!("t{number}"), &number.to_string(), &expected.to_string())
        })
        .collect();
    let expected = (0..count).map(|number| if is_wrong(number) { "wrong_answer" } else { "accepted" }).collect();
    (c(TIMES, json!({ "tests": tests, "args": [factor.to_string()] })), expected)
}

fn assert_many(report: &Value, expected: &[&str], factor: u64) {
    assert_eq!(verdicts(report), expected);
    for (number, test) in report["tests"].as_array().into_iter().flatten().enumerate() {
        assert_eq!(test["id"], format!("t{number}"));
        assert_eq!(test["stdout"], format!("{}\n", number as u64 * factor), "{test:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_thousand_tests_of_one_job_is_right() {
    let lab = Lab::open(1).await;
    let (job, expected) = many_tests(1_000, 7);
    let report = lab.run(&job).await;
    lab.close().await;
    assert_many(&report, &expected, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_jobs_of_fifty_tests_side_by_side_are_right_and_never_more_live_than_there_are_slots() {
    let lab = Lab::open(3).await;
    let jobs: Vec<_> = (1..=10u64)
        .map(|factor| {
            let lab = lab.clone();
            tokio::spawn(async move {
                let (job, expected) = many_tests(50, factor);
                assert_many(&lab.run(&job).await, &expected, factor);
            })
        })
        .collect();
    let filter = format!("label=caisson.worker={}", lab.worker);
    let mut most = 0;
    until("ten jobs", async || {
        let live = docker(&["ps", "--quiet", "--filter", &filter, "--filter", "status=running"]).await.lines().count();
        most = most.max(live);
        jobs.iter().all(tokio::task::JoinHandle::is_finished).then_some(())
    })
    .await;
    for job in jobs {
        job.await.expect("every job is right");
    }
    assert!((1..=3).contains(&most), "{most} containers at a time on three slots");
    lab.close().await;
}
