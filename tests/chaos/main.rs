//! Real workers, real containers, a local SQS, and everything going wrong at once: workers killed, connections reset,
//! answers lost, messages delivered twice. A ledger of what was sent is held against what came out, and the invariants of
//! `docs/faults.md` are checked one by one.
//!
//! ```text
//! sender ─► incoming queue ─► proxy ─► worker 1…N ─► proxy ─► engine
//!                                        │  ▲
//!            ledger ◄─ outgoing queue ◄──┘  └─ killed, drained and restarted by its post
//! ```
//!
//! What is random is drawn from the seed: jobs, faults and their times. Which request meets which fault depends on the
//! order in which requests come, so a seed makes a run alike, not the same.

mod accounts;
mod answers;
mod figures;
mod fleet;
mod jobs;
mod keeper;
mod ledger;
mod leftovers;
mod life;
mod lives;
mod log;
mod made_up;
mod messages;
mod oracle;
mod run;
mod sender;
mod settings;
mod soak;
#[path = "../support/mod.rs"]
mod support;
mod traffic;
mod troubles;

use settings::Settings;
use tokio::signal::unix::{SignalKind, signal};

/// Runs to the end, or panics when somebody interrupts it, so that every guard does its work.
async fn unless_interrupted(run: impl Future<Output = ()>) {
    let mut interrupt = signal(SignalKind::interrupt()).expect("a signal can be listened for");
    let mut terminate = signal(SignalKind::terminate()).expect("a signal can be listened for");
    tokio::select! {
        () = run => {}
        _ = interrupt.recv() => panic!("interrupted"),
        _ = terminate.recv() => panic!("told to end"),
    }
}

/// Makes one run after the other, and panics at the end if an invariant didn't hold in one of them.
async fn all_hold(runs: Vec<Settings>) {
    let mut broken = Vec::new();
    for settings in runs {
        broken.extend(run::run(settings).await.err());
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Small enough to be an ordinary test.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_fleet_under_faults_keeps_every_invariant() {
    unless_interrupted(all_hold(vec![Settings::small()])).await;
}

/// As large as it is told to be: `just chaos`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; run it by `just chaos`"]
async fn chaos() {
    unless_interrupted(all_hold(Settings::from_environment())).await;
}

/// Many small jobs through one worker: `just soak`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as it is told to; run it by `just soak`"]
async fn soak() {
    unless_interrupted(soak::soak(&Settings::from_environment()[0])).await;
}
