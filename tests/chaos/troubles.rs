//! What goes wrong in a run, when, and for how long: one plan, drawn from the seed. Each trouble is entered when it begins and when
//! it ends; requests that meet one are entered one by one where they pass.

use std::time::{Duration, Instant};

use crate::fleet::{Order, Post};
use crate::keeper::Keeper;
use crate::ledger::{Ledger, What};
use crate::settings::Settings;
use crate::support::chance::Chance;
use crate::support::proxy::fault::Entry;
use crate::support::proxy::{ANY, Fault};

/// Those that befall the whole fleet, one after the other.
const OF_ALL: [What; 7] = [
    What::SlowResults,
    What::HangingResults,
    What::NoStore,
    What::NoDeletions,
    What::NothingConfirmed,
    What::DoneInPart,
    What::LowerLimits,
];

/// Those that befall one post, beside whatever befalls all.
const OF_ONE: [What; 6] =
    [What::BlackHole, What::Sick, What::Suspended, What::UnreadLog, What::Swallowed, What::Drained];

/// No post has a trouble of its own for longer.
const LONGEST_OF_ONE: Duration = Duration::from_secs(40);

const RESULTS: &str = "SendMessageBatch@chaos-results";
const DELETIONS: &str = "DeleteMessageBatch@chaos-jobs";
const RENEWALS: &str = "ChangeMessageVisibilityBatch@chaos-jobs";

/// What is swallowed at a stop. Other names than those above, so that one trouble's end doesn't end another.
const AT_A_STOP: [&str; 5] = [
    "SendMessageBatch",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "ChangeMessageVisibility",
    "ReceiveMessage",
];

/// A service that hides an image from a worker also makes no container of it.
const IMAGES: [&str; 2] = ["inspect_image", "create"];

const UNCONFIRMED: Fault = Fault::Entries(&[Entry::Unconfirmed]);
const IN_PART: Fault =
    Fault::Entries(&[Entry::Refused("InternalError"), Entry::Done, Entry::Unconfirmed, Entry::Done, Entry::Forgotten]);

#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) what: What,
    /// `None`: all of them.
    pub(crate) post: Option<usize>,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// Draws a plan. Each trouble has a part of the time for itself, of the fleet or of its post.
pub(crate) fn plan(settings: &Settings, chance: &mut Chance) -> Vec<Planned> {
    let mut draw = |what, post, place: usize, places: usize, longest: Duration| {
        let part = settings.faults_for / u32::try_from(places).expect("a small number");
        let from = part * u32::try_from(place).expect("a small number") + part.mul_f64(0.2 * chance.fraction());
        let until = from + part.mul_f64(0.4 + 0.35 * chance.fraction()).min(longest);
        Planned { what, post, from, until }
    };
    let shuffled = |list: &[What], chance: &mut Chance| {
        let mut keyed: Vec<(u64, What)> = list.iter().map(|what| (chance.next(), *what)).collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, what)| what).collect::<Vec<_>>()
    };
    let mut other = Chance::new(settings.seed ^ 0x7072);
    let all = shuffled(&OF_ALL, &mut other);
    let mut planned: Vec<Planned> = Vec::new();
    for (place, what) in all.iter().enumerate() {
        planned.push(draw(*what, None, place, all.len(), Duration::MAX));
    }
    // Each at least once, and as many more as it takes for each post to have two.
    let mut one = OF_ONE.to_vec();
    while one.len() < 2 * settings.workers {
        one.push(OF_ONE[other.below(OF_ONE.len())]);
    }
    let (one, first) = (shuffled(&one, &mut other), other.below(settings.workers));
    let places = one.len().div_ceil(settings.workers);
    for (index, what) in one.iter().enumerate() {
        let post = (first + index) % settings.workers;
        planned.push(draw(*what, Some(post), index / settings.workers, places, LONGEST_OF_ONE));
    }
    planned
}

pub(crate) struct Troubles<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) posts: &'a [Post],
    pub(crate) keeper: &'a Keeper,
    pub(crate) ledger: &'a Ledger,
}

impl Troubles<'_> {
    /// Does all that is planned, and beside it kills workers and lets single requests go wrong, until the time of faults is over.
    pub(crate) async fn run(&self, mut planned: Vec<Planned>, chance: &mut Chance) {
        self.posts.iter().for_each(|post| self.misbehave(post));
        let begin = Instant::now();
        let mut under_way: Vec<Planned> = Vec::new();
        let mut next_kill = chance.wait(self.settings.kill_every);
        loop {
            // The pace at which faults are due, not a hope for anything.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = begin.elapsed();
            let is_over = now >= self.settings.faults_for;
            for ended in under_way.extract_if(.., |it| is_over || it.until <= now) {
                self.end(&ended).await;
            }
            if is_over {
                break;
            }
            for begun in planned.extract_if(.., |it| it.from <= now) {
                self.begin(&begun).await;
                under_way.push(begun);
            }
            if now >= next_kill {
                let post = chance.below(self.posts.len());
                // One that is to end at once shall do so by itself.
                if !under_way.iter().any(|it| it.what == What::Swallowed && it.post == Some(post)) {
                    self.posts[post].order(Order::Kill).await;
                }
                next_kill = now + chance.wait(self.settings.kill_every);
            }
        }
        self.posts.iter().for_each(Post::heal);
    }

    /// Single requests, all the time.
    fn misbehave(&self, post: &Post) {
        // Long enough that the engine's answer to an attach has begun, and a program's output is under way.
        post.engine.sometimes("attach", Fault::CutAfter(400), self.settings.engine_reset / 2.0);
        post.engine.sometimes(ANY, Fault::Reset, self.settings.engine_reset);
        post.queue.sometimes(ANY, Fault::Refused, self.settings.sqs_refused);
        post.queue.sometimes(ANY, Fault::AnswerLost, self.settings.sqs_swallowed);
    }

    fn of(&self, planned: &Planned) -> Vec<&Post> {
        match planned.post {
            Some(post) => vec![&self.posts[post]],
            None => self.posts.iter().collect(),
        }
    }

    async fn begin(&self, planned: &Planned) {
        let for_all = |rules: &[(&'static str, Fault, f64)]| {
            for post in self.of(planned) {
                rules.iter().for_each(|(operation, fault, often)| post.queue.sometimes(operation, *fault, *often));
            }
        };
        match planned.what {
            What::SlowResults => for_all(&[(RESULTS, Fault::Late(Duration::from_secs(4)), 1.0)]),
            What::HangingResults => for_all(&[(RESULTS, Fault::Hangs, 1.0)]),
            What::NoStore => for_all(&[("GET", Fault::Refused, 1.0)]),
            What::NoDeletions => for_all(&[(DELETIONS, Fault::Answered(403), 1.0)]),
            What::NothingConfirmed => for_all(&[
                (RESULTS, UNCONFIRMED, 0.3),
                (RESULTS, Fault::Says("{}"), 0.6),
                (DELETIONS, UNCONFIRMED, 0.5),
                (DELETIONS, Fault::Says("{}"), 1.0),
                (RENEWALS, Fault::Says("{}"), 0.5),
            ]),
            What::DoneInPart => {
                for_all(&[(RESULTS, IN_PART, 0.8), (DELETIONS, IN_PART, 0.8), (RENEWALS, IN_PART, 0.8)])
            }
            What::LowerLimits => self.keeper.lower_limits(self.ledger).await,
            What::BlackHole => self.of(planned).iter().for_each(|post| post.queue.black_hole(true)),
            What::Sick => {
                for post in self.of(planned) {
                    IMAGES.iter().for_each(|call| post.engine.fail(call, Fault::Answered(404), usize::MAX));
                }
            }
            What::Suspended => self.order(planned, Order::Suspend).await,
            What::UnreadLog => self.of(planned).iter().for_each(|post| post.read_log(false)),
            What::Swallowed => {
                for post in self.of(planned) {
                    AT_A_STOP.iter().for_each(|call| post.queue.fail(call, Fault::Hangs, usize::MAX));
                }
                // Entered, as a drain and a death, by whoever sees how it ends.
                return self.order(planned, Order::Swallow).await;
            }
            What::Drained => return self.order(planned, Order::Drain).await,
            What::Killed => return,
        }
        self.ledger.begins(planned.what, planned.post);
    }

    async fn end(&self, planned: &Planned) {
        let of_all = |operations: &[&'static str]| {
            for post in self.of(planned) {
                operations.iter().for_each(|operation| post.queue.mend(operation));
            }
        };
        match planned.what {
            What::SlowResults | What::HangingResults => of_all(&[RESULTS]),
            What::NoStore => of_all(&["GET"]),
            What::NoDeletions => of_all(&[DELETIONS]),
            What::NothingConfirmed | What::DoneInPart => of_all(&[RESULTS, DELETIONS, RENEWALS]),
            What::LowerLimits => self.keeper.raise_limits().await,
            What::BlackHole => self.of(planned).iter().for_each(|post| post.queue.black_hole(false)),
            What::Sick => {
                for post in self.of(planned) {
                    IMAGES.iter().for_each(|call| post.engine.mend(call));
                }
            }
            What::Suspended => self.order(planned, Order::Resume).await,
            What::UnreadLog => self.of(planned).iter().for_each(|post| post.read_log(true)),
            What::Swallowed => return of_all(&AT_A_STOP),
            What::Drained | What::Killed => return,
        }
        self.ledger.ends(planned.what, planned.post);
    }

    async fn order(&self, planned: &Planned, order: Order) {
        for post in self.of(planned) {
            post.order(order).await;
        }
    }
}
