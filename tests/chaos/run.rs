//! One run, from the first message to the last look for what was left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::fleet::{Order, Post, lock, usage};
use crate::jobs::{KINDS, Kind};
use crate::ledger::Ledger;
use crate::lives::Lives;
use crate::oracle;
use crate::settings::{MAX_RECEIVE_COUNT, Settings};
use crate::support::chance::Chance;
use crate::support::jobs::id;
use crate::support::queue::{EMPTY, Queue};
use crate::support::{eventually, jobs::with, lab::Lab, until};
use crate::traffic::EngineTraffic;

/// How many messages may wait for their result, for each worker. The local SQS is slow with long queues.
const WAITING: usize = 40;

/// Everything a run is judged by.
pub(crate) struct Outcome {
    pub(crate) settings: Settings,
    pub(crate) prefix: String,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) posts: Vec<Post>,
    pub(crate) calls: Arc<EngineTraffic>,
    pub(crate) lives: Lives,
    /// What a kind's jobs come to where nothing goes wrong.
    pub(crate) baseline: BTreeMap<Kind, (String, String)>,
    pub(crate) incoming: Queue,
    pub(crate) dead: Queue,
    pub(crate) kills: usize,
    pub(crate) drains: usize,
    pub(crate) sent_twice: usize,
    pub(crate) took: Duration,
    pub(crate) in_time: bool,
    pub(crate) queue_emptied: bool,
    pub(crate) logs: String,
}

/// Runs, judges, prints, and panics when an invariant didn't hold.
pub(crate) async fn run(settings: Settings) {
    let folder = folder(settings.seed);
    println!(
        "chaos: seed {}, {} workers of {} slots, {} jobs; logs in {}",
        settings.seed,
        settings.workers,
        settings.slots,
        settings.jobs,
        folder.display()
    );
    let prefix = format!("chaos-{}-{}", settings.seed, std::process::id());
    let _leftovers = Leftovers(prefix.clone());
    let baseline = baseline(settings.seed).await;
    let outcome = let_it_run(settings, prefix, &folder, baseline).await;
    let violations = oracle::judge(&outcome).await;
    let ledger = serde_json::to_vec_pretty(&outcome.ledger.to_json()).expect("it serializes");
    std::fs::write(folder.join("ledger.json"), ledger).expect("the ledger can be written");
    for queue in [&outcome.incoming, &outcome.dead] {
        let _ = queue.client.delete_queue().queue_url(&queue.url).send().await;
    }
    if violations == 0 {
        // A panic before here leaves them, for whoever looks.
        let _ = std::fs::remove_dir_all(&folder);
        return;
    }
    panic!("{violations} violations, seed {}; logs and ledger: {}", outcome.settings.seed, folder.display());
}

fn folder(seed: u64) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join("chaos").join(seed.to_string());
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder can be made under target/");
    folder
}

/// A job of each kind where nothing goes wrong: verdict and reason.
async fn baseline(seed: u64) -> BTreeMap<Kind, (String, String)> {
    let lab = Lab::open(1).await;
    let mut chance = Chance::new(seed);
    let mut baseline = BTreeMap::new();
    for kind in KINDS {
        let report = lab.run(&kind.job(&mut chance)).await;
        let verdict = report["verdict"].as_str().unwrap_or_default().to_owned();
        assert_eq!(verdict, kind.verdict(), "{kind:?} without any fault: {report:#}");
        let reason = report["tests"][0]["reason"].as_str().unwrap_or_default().to_owned();
        baseline.insert(kind, (verdict, reason));
    }
    lab.close().await;
    baseline
}

async fn let_it_run(
    settings: Settings,
    prefix: String,
    folder: &Path,
    baseline: BTreeMap<Kind, (String, String)>,
) -> Outcome {
    let begin = Instant::now();
    let (dead, outgoing) = (Queue::create("chaos-dead").await, Queue::create("chaos-results").await);
    let incoming = Queue::create_with_dead_letters("chaos-jobs", &dead, MAX_RECEIVE_COUNT).await;
    let lives = Lives::watch(&prefix).await;
    let calls = Arc::new(EngineTraffic::new(settings.recycle));
    let mut posts = Vec::new();
    for number in 1..=settings.workers {
        posts.push(Post::open(&prefix, number, &settings, folder, (&incoming, &outgoing), &calls).await);
    }
    posts.iter().for_each(|post| post.misbehave(&settings));

    let mut chance = Chance::new(settings.seed);
    let ledger = Arc::new(Ledger::default());
    let all_sent = Arc::new(AtomicBool::new(false));
    let sender =
        tokio::spawn(send(settings.clone(), chance.branch(), incoming.clone(), ledger.clone(), all_sent.clone()));
    let sender = AbortOnDropHandle::new(sender);
    let collector = AbortOnDropHandle::new(tokio::spawn(collect(outgoing.clone(), ledger.clone())));
    let watcher = AbortOnDropHandle::new(tokio::spawn(watch(posts.iter().map(|post| post.history.clone()).collect())));

    let deadline = begin + settings.longest;
    let is_done = || all_sent.load(Ordering::SeqCst) && ledger.unanswered() == 0;
    let (kills, drains) = trouble(&settings, &mut chance, &posts, deadline, is_done).await;
    let in_time = is_done();

    // No more faults: what is left must come to its end by itself.
    posts.iter().for_each(Post::heal);
    let queue_emptied = in_time && {
        // What is under way twice comes to its end.
        eventually(async || incoming.counts().await == EMPTY).await
    };
    for post in &mut posts {
        post.close().await;
    }
    let left = async { until("the last results", async || (outgoing.counts().await == EMPTY).then_some(())).await };
    left.await;
    drop((collector, watcher));
    let sent_twice = sender.await.unwrap_or(0);
    let _ = outgoing.client.delete_queue().queue_url(&outgoing.url).send().await;
    let logs = posts.iter().map(|post| std::fs::read_to_string(&post.log).unwrap_or_default()).collect();
    let took = begin.elapsed();
    Outcome {
        settings,
        prefix,
        ledger,
        posts,
        calls,
        lives,
        baseline,
        incoming,
        dead,
        kills,
        drains,
        sent_twice,
        took,
        in_time,
        queue_emptied,
        logs,
    }
}

/// Kills, drains and the black hole, until all is done or the time is over.
async fn trouble(
    settings: &Settings,
    chance: &mut Chance,
    posts: &[Post],
    deadline: Instant,
    is_done: impl Fn() -> bool,
) -> (usize, usize) {
    let begin = Instant::now();
    let mut drains: Vec<(Duration, usize)> =
        (0..posts.len()).map(|post| (settings.drains_within.mul_f64(0.2 + 0.8 * chance.fraction()), post)).collect();
    drains.sort();
    let hole = chance.below(posts.len());
    let hole_begins = settings.drains_within / 4;
    let hole_ends = hole_begins + settings.black_hole;
    let mut next_kill = chance.wait(settings.kill_every);
    let (mut kills, mut drained, mut in_hole) = (0, 0, false);
    let mut is_over = false;
    while !is_done() && Instant::now() < deadline {
        // The pace at which faults are due, not a hope for anything.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = begin.elapsed();
        if now >= settings.faults_for {
            if !is_over {
                is_over = true;
                posts.iter().for_each(Post::heal);
            }
            continue;
        }
        if now >= next_kill {
            posts[chance.below(posts.len())].order(Order::Kill).await;
            kills += 1;
            next_kill = now + chance.wait(settings.kill_every);
        }
        if let Some((_, post)) = drains.first().copied().filter(|(at, _)| now >= *at) {
            drains.remove(0);
            posts[post].order(Order::Drain).await;
            drained += 1;
        }
        let should_be = now >= hole_begins && now < hole_ends;
        if should_be != in_hole {
            in_hole = should_be;
            posts[hole].queue.black_hole(in_hole);
        }
    }
    (kills, drained)
}

/// Sends the jobs, as many at a time as the local SQS bears; how many were sent twice.
async fn send(
    settings: Settings,
    mut chance: Chance,
    incoming: Queue,
    ledger: Arc<Ledger>,
    all_sent: Arc<AtomicBool>,
) -> usize {
    let (mut sent, mut twice, deadline) = (0, 0, Instant::now() + settings.longest);
    while sent < settings.jobs && Instant::now() < deadline {
        let mut batch: Vec<(Kind, Value)> = Vec::new();
        while batch.len() < 9 && sent < settings.jobs {
            let kind = Kind::draw(&mut chance);
            let job = with(kind.job(&mut chance), serde_json::json!({ "id": format!("{}-{sent}", settings.seed) }));
            if chance.happens(settings.sent_twice) {
                batch.push((kind, job.clone()));
                twice += 1;
            }
            batch.push((kind, job));
            sent += 1;
        }
        send_batch(&incoming, &batch, &ledger).await;
        let room = WAITING * settings.workers;
        while ledger.unanswered() > room && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    // Not when the time was over before: then the run isn't done.
    all_sent.store(sent == settings.jobs, Ordering::SeqCst);
    twice
}

/// Up to ten jobs, straight to the queue.
pub(crate) async fn send_batch(incoming: &Queue, batch: &[(Kind, Value)], ledger: &Ledger) {
    // SQS takes ten; a job that is sent twice may have made it eleven.
    for part in batch.chunks(10) {
        let entries = part.iter().enumerate().map(|(index, (_, job))| {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(job.to_string());
            entry.build().expect("an entry has an id and a body")
        });
        let sending =
            incoming.client.send_message_batch().queue_url(&incoming.url).set_entries(Some(entries.collect()));
        let sent = sending.send().await.expect("messages can be sent");
        assert!(sent.failed.is_empty(), "{:?}", sent.failed);
        for entry in sent.successful {
            let (kind, job) = &part[entry.id.parse::<usize>().expect("it is ours")];
            ledger.sent(entry.message_id, id(job), *kind);
        }
    }
}

/// Takes results for ever, and enters them.
pub(crate) async fn collect(outgoing: Queue, ledger: Arc<Ledger>) {
    loop {
        let messages = outgoing.receive(60).await;
        if messages.is_empty() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        for message in messages {
            let report: Value = serde_json::from_str(message.body().unwrap_or_default()).expect("a result is JSON");
            ledger.answered(&report);
            outgoing.delete(&message).await;
        }
    }
}

/// Looks at the workers' processes for ever, and keeps the most that each had.
async fn watch(histories: Vec<Arc<std::sync::Mutex<crate::fleet::History>>>) {
    loop {
        for history in &histories {
            let pid = lock(history).pid;
            if let Some(usage) = pid.and_then(usage) {
                let most = &mut lock(history).most;
                most.rss_bytes = most.rss_bytes.max(usage.rss_bytes);
                most.descriptors = most.descriptors.max(usage.descriptors);
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Removes a run's containers however it ends, and the agent's volume, which workers that are killed leave behind.
pub(crate) struct Leftovers(pub(crate) String);

impl Drop for Leftovers {
    fn drop(&mut self) {
        for (id, worker) in containers() {
            if worker.starts_with(&self.0) {
                let _ = Command::new("docker").args(["rm", "--force", "--volumes", &id]).output();
            }
        }
        // One that another worker uses stays, and is that worker's to remove.
        let _ = Command::new("docker").args(["volume", "rm", &caisson::sandbox::agent::volume_name(false)]).output();
    }
}

/// All containers of all workers of this machine, of any state: id and worker.
pub(crate) fn containers() -> Vec<(String, String)> {
    let format = "{{.ID}} {{.Label \"caisson.worker\"}}";
    let arguments = ["ps", "--all", "--no-trunc", "--filter", "label=caisson.worker", "--format", format];
    let output = Command::new("docker").args(arguments).output().expect("docker can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(id, worker)| (id.to_owned(), worker.to_owned()))
        .collect()
}
