//! A model test of a message's life: real workers over a queue in memory, on a clock that runs as fast as they let it.
//!
//! Each seed is one history: workers that crash at any step of any call to a queue (before it took effect, or after) and are
//! started anew, or are told to stop; calls that fail, are refused in part, come late, or take effect while their answer is lost; messages that
//! are handed out twice; an engine that fails. Then the faults stop, and what must hold is checked: see [`world`].
//!
//! `CAISSON_MODEL_SEEDS=20000 cargo nextest run model` tries more of them; `CAISSON_MODEL_SEED=n` tries one.

mod link;
mod pretended;
mod world;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use crate::health::Health;
use crate::queue::sources::Source;
use crate::queue::{Duties, Inbox, Outbox};
use crate::shutdown::Shutdown;
use link::{Life, Link, Side};
use pretended::Pretended;
use world::{Rng, VISIBILITY, World};

const SEEDS: u64 = 1_000;

/// Of the faults; afterwards the queue has as long as it takes, up to [`PATIENCE`].
const FAULTY: Duration = Duration::from_secs(400);

/// Of model time, after the last fault. A message may rest five minutes, ten times over.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

const MAXIMUM_MESSAGE_BYTES: usize = 256 << 10;

/// One worker after the other in one place of the fleet, each until it crashes or is told to stop.
async fn place(world: Arc<World>, mut rng: Rng) {
    loop {
        let faulty = world.is_faulty();
        // About every second life ends in a crash, somewhere in its first hundred steps.
        let dies_at = (faulty && rng.chance(500)).then(|| rng.below(100));
        let life = Life::new(dies_at);
        let link = |side, rng| Link::new(world.clone(), side, life.clone(), rng);
        let slots = 1 + rng.below(3);
        let pretended = Pretended::new(world.clone(), slots, life.clone(), rng.split());
        let inbox = Inbox::new(link(Side::Incoming, rng.split()), VISIBILITY, Duration::from_secs(20));
        let inbox = inbox.with_duties(Duties { copies: false, answers: true, outgoing_arn: None });
        let outbox = Outbox::start(link(Side::Outgoing, rng.split()), MAXIMUM_MESSAGE_BYTES);
        let opened = inbox.clone();
        let worker = Worker::new(pretended, vec![Source { inbox, weight: 1 }], outbox, Health::new(VISIBILITY));
        let shutdown = Shutdown::default();
        let stop = async {
            if !(faulty && rng.chance(300)) {
                return std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_secs(rng.below(300) as u64)).await;
            shutdown.intake.cancel();
            tokio::time::sleep(Duration::from_secs(rng.below(100) as u64)).await;
            shutdown.abort.cancel();
            std::future::pending().await
        };
        let work = async {
            // It doesn't begin without.
            while opened.look_again().await.is_err() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            worker.run(shutdown.clone()).await;
        };
        tokio::select! {
            // What it has spawned goes on, but reaches nothing any more: to everybody else it is dead.
            () = life.ended() => world.note_crash(),
            () = work => {}
            () = stop => {}
        }
        life.end();
        tokio::time::sleep(Duration::from_secs(1 + rng.below(20) as u64)).await;
    }
}

async fn history(seed: u64) -> Result<String, String> {
    let mut rng = Rng::new(seed);
    let world = World::new(&mut rng);
    let places: Vec<_> = (0..1 + rng.below(3)).map(|_| tokio::spawn(place(world.clone(), rng.split()))).collect();
    tokio::time::sleep(FAULTY).await;
    world.calm();
    let limit = Instant::now() + PATIENCE;
    while !world.is_settled() && Instant::now() < limit {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    places.iter().for_each(tokio::task::JoinHandle::abort);
    world.verdict()
}

fn run(seed: u64) -> Result<String, String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime can be built");
    runtime.block_on(history(seed))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
fn whatever_fails_no_message_is_lost_and_none_deleted_unanswered() {
    let seeds = match number("CAISSON_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CAISSON_MODEL_SEEDS").unwrap_or(SEEDS),
    };
    let mut histories = 0;
    for seed in seeds {
        match run(seed) {
            Ok(summary) => {
                histories += 1;
                println!("seed {seed}: {summary}");
            }
            Err(violations) => panic!("CAISSON_MODEL_SEED={seed}: {violations}"),
        }
    }
    assert!(histories > 0);
}
