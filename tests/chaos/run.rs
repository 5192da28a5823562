//! One run, from the first message to the last look for what was left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_util::task::AbortOnDropHandle;

use crate::answers::collect;
use crate::fleet::{History, Post, Surroundings, lock, usage};
use crate::jobs::{KINDS, Kind};
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::leftovers::Leftovers;
use crate::lives::Lives;
use crate::oracle;
use crate::sender::{Parcel, Sender};
use crate::settings::Settings;
use crate::support::bucket::Bucket;
use crate::support::chance::Chance;
use crate::support::queue::EMPTY;
use crate::support::{eventually, lab::Lab, until};
use crate::traffic::EngineTraffic;
use crate::troubles::{Troubles, plan};

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
    pub(crate) keeper: Keeper,
    pub(crate) sent_twice: usize,
    pub(crate) took: Duration,
    pub(crate) in_time: bool,
    pub(crate) queue_emptied: bool,
    pub(crate) logs: String,
}

/// Runs, judges and prints; an error says that an invariant didn't hold, and where to look.
pub(crate) async fn run(settings: Settings) -> Result<(), String> {
    let folder = folder(settings.seed);
    println!(
        "chaos: seed {}, {} workers of {} slots, {} jobs, {} receipts each; logs in {}",
        settings.seed,
        settings.workers,
        settings.slots,
        settings.jobs,
        settings.receipts,
        folder.display()
    );
    let prefix = format!("chaos-{}-{}", settings.seed, std::process::id());
    let _leftovers = Leftovers(prefix.clone());
    let baseline = baseline(settings.seed).await;
    let outcome = let_it_run(settings, prefix, &folder, baseline).await;
    let violations = oracle::judge(&outcome).await;
    let ledger = serde_json::to_vec_pretty(&*outcome.ledger.entries()).expect("it serializes");
    std::fs::write(folder.join("ledger.json"), ledger).expect("the ledger can be written");
    outcome.keeper.close().await;
    if violations == 0 {
        if !outcome.settings.keep {
            let _ = std::fs::remove_dir_all(&folder);
        }
        return Ok(());
    }
    Err(format!("seed {}: {violations} violations; logs and ledger: {}", outcome.settings.seed, folder.display()))
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
    let ledger = Arc::new(Ledger::new());
    let mut chance = Chance::new(settings.seed);
    let keeper = Keeper::open(&settings, &ledger).await;
    let bucket = Bucket::create("chaos").await;
    let buried = (0..settings.buried).map(|_| Parcel::plain(Kind::SumInBash, Kind::SumInBash.job(&mut chance)));
    keeper.bury(buried.collect(), &ledger).await;
    let lives = Lives::watch(&prefix).await;
    let calls = Arc::new(EngineTraffic::new(settings.recycle));
    let around = Surroundings {
        prefix: &prefix,
        settings: &settings,
        folder,
        keeper: &keeper,
        bucket: &bucket.name,
        calls: &calls,
        ledger: &ledger,
    };
    let mut posts = Vec::new();
    for number in 0..settings.workers {
        posts.push(Post::open(number, &around).await);
    }

    let all_sent = Arc::new(AtomicBool::new(false));
    let sender = Sender {
        settings: settings.clone(),
        chance: chance.branch(),
        incoming: keeper.incoming.clone(),
        bucket,
        ledger: ledger.clone(),
        all_sent: all_sent.clone(),
    };
    let sender = AbortOnDropHandle::new(tokio::spawn(sender.send()));
    let collector = AbortOnDropHandle::new(tokio::spawn(collect(keeper.outgoing.clone(), ledger.clone())));
    let watcher = AbortOnDropHandle::new(tokio::spawn(watch(posts.iter().map(|post| post.history.clone()).collect())));

    until("workers at work", async || posts.iter().all(Post::is_at_work).then_some(())).await;
    let planned = plan(&settings, &mut chance);
    let troubles = Troubles { settings: &settings, posts: &posts, keeper: &keeper, ledger: &ledger };
    troubles.run(planned, &mut chance).await;

    // No more faults: what is left must come to its end by itself.
    let is_done = || all_sent.load(Ordering::SeqCst) && ledger.unanswered() == 0;
    while !is_done() && begin.elapsed() < settings.longest {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let in_time = is_done();
    // What is under way twice comes to its end.
    let queue_emptied = in_time && eventually(async || keeper.incoming.counts().await == EMPTY).await;
    for post in &mut posts {
        post.close().await;
    }
    keeper.results_are_taken().await;
    keeper.read_letters(&ledger).await;
    drop((collector, watcher));
    let sent_twice = sender.await.unwrap_or(0);
    ledger.entries().most_in_hand = posts.iter().map(|post| post.messages.in_hand.most()).collect();
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
        keeper,
        sent_twice,
        took,
        in_time,
        queue_emptied,
        logs,
    }
}

/// Looks at the workers' processes for ever, and keeps the most that each had.
async fn watch(histories: Vec<Arc<std::sync::Mutex<History>>>) {
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
