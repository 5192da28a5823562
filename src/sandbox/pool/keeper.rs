//! Looks after the pool, in the background: makes what is lacking, removes what is too much, too old, dead, or of an image
//! whose name means another one by now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::policy::Move;
use super::{Kind, Past, Place, Pool, Resting, Shelf, Started, Waiting, count};
use crate::metrics;
use crate::retry::Retry;
use crate::sandbox::live::birth::{Wish, birth};
use crate::sandbox::spec::{AGENT_PROCESSES, waiting_labels};
use crate::sandbox::{SandboxError, Shared};

/// How often it looks without being told to.
const LOOK: Duration = Duration::from_secs(1);

/// How often it asks what the images' names mean.
const ASK: Duration = Duration::from_secs(2);

/// How long a job's own start goes before one for the pool. Under full load there is always one, and a pool that never
/// fills is none.
const MAKE_WAY: Duration = Duration::from_millis(250);

/// How long a job has its cores to itself before the next container is begun in place of the one that it took. Most of what a
/// short job takes is over by then, and making one keeps more than a core busy.
const QUIET: Duration = Duration::from_millis(40);

/// What a container's labels allow beyond the time that it may wait: longer jobs get one made for them.
const LONGEST_JOB: Duration = Duration::from_secs(3_600);

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Until the pool is closed or nobody has the sandboxes any more.
pub(crate) async fn keep(shared: Weak<Shared>) {
    let mut asked = Instant::now();
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let Some(pool) = &strong.pool else { return };
        if pool.closed.is_cancelled() {
            return;
        }
        if asked.elapsed() >= ASK {
            pool.follow_images(&strong).await;
            asked = Instant::now();
        }
        pool.tidy(&strong);
        pool.make_and_remove(&strong);
        metrics::warm(pool.figures().waiting);
        let changed = async {
            tokio::select! {
                () = pool.changed.notified() => {}
                () = pool.closed.cancelled() => {}
            }
        };
        // Bounded, so that the sandboxes aren't kept for ever by this alone.
        let _ = tokio::time::timeout(LOOK, changed).await;
    }
}

impl Pool {
    fn tidy(&self, shared: &Shared) {
        let mut shelf = self.shelf();
        let now = Instant::now();
        shelf.demand.forget_idle(now, self.age);
        for of_kind in shelf.waiting.values_mut() {
            for dead in of_kind.extract_if(.., |container| container.is_dead(&shared.fates)) {
                tracing::info!(container.id = dead.id(), "a waiting container died");
                count(&self.counters.dead);
            }
            for _old in of_kind.extract_if(.., |container| now.duration_since(container.past.since) > self.age) {
                count(&self.counters.stale);
            }
        }
        shelf.waiting.retain(|_, of_kind| !of_kind.is_empty());
        let Shelf { demand, resting, unfit, .. } = &mut *shelf;
        for (kind, of_kind) in resting.iter_mut() {
            for _spoilt in of_kind.extract_if(.., |container| container.is_spoilt(&shared.fates)) {
                count(&self.counters.discarded);
            }
            let is_wanted = !unfit.contains(&kind.digest) && demand.kinds().any(|asked| asked == kind);
            for _old in of_kind.extract_if(.., |container| !is_wanted || container.is_stale(self.age)) {
                count(&self.counters.stale);
            }
        }
        resting.retain(|_, of_kind| !of_kind.is_empty());
    }

    /// Steps towards what is wanted, as far as they can be taken now.
    fn make_and_remove(&self, shared: &Arc<Shared>) {
        loop {
            let mut shelf = self.shelf();
            // What rests gives its place up for whatever is needed more.
            let free = self.seats.available_permits() + shelf.resting.values().map(Vec::len).sum::<usize>();
            let next = shelf.demand.next_move(&shelf.have(), free, Instant::now(), self.bounds);
            match next {
                None => return,
                Some(Move::Remove(kind)) => {
                    // The newest, which has cost its making just as much and would have lasted longest; but the oldest is
                    // the one that a job takes next. One that is only on its way is looked at when it is there.
                    let Some(_surplus) = shelf.waiting.get_mut(&kind).and_then(Vec::pop) else { return };
                    count(&self.counters.surplus);
                    // There are too many of the kind already; one that rests is one more.
                    if shelf.resting.get_mut(&kind).and_then(Vec::pop).is_some() {
                        count(&self.counters.surplus);
                    }
                }
                Some(Move::Make(kind)) => {
                    let Ok(maker) = self.makers.clone().try_acquire_owned() else { return };
                    let cpu = shared.slots.emptiest_cpu(|cpu| shelf.waiting_for(&kind, cpu));
                    let from = match shelf.take_resting(&kind, cpu) {
                        Some(resting) => From::Resting(resting),
                        None => {
                            let Ok(seat) = self.seats.clone().try_acquire_owned() else {
                                return self.make_room(&mut shelf);
                            };
                            From::Nothing(Place { uid: shared.slots.uid(), seat }, cpu)
                        }
                    };
                    let making = Making::begin(shared, &mut shelf, kind);
                    drop(shelf);
                    self.tasks.spawn(async move {
                        let closed = making.pool().closed.clone();
                        closed.run_until_cancelled(making.make(from)).await;
                        drop(making);
                        drop(maker);
                    });
                }
            }
        }
    }

    /// Every place is taken, some by what only rests: the one that has rested longest leaves, one at a time.
    fn make_room(&self, shelf: &mut Shelf) {
        let Ok(leaving) = self.leaving.clone().try_acquire_owned() else { return };
        // In each kind the first is the oldest.
        let oldest = shelf.resting.values_mut().filter(|of_kind| !of_kind.is_empty());
        if let Some(of_kind) = oldest.min_by_key(|of_kind| of_kind[0].since()) {
            of_kind.remove(0).leave(leaving);
            count(&self.counters.surplus);
        }
    }

    /// Forgets kinds of images whose names mean other ones by now, or nothing, and removes what waits of them.
    async fn follow_images(&self, shared: &Shared) {
        let references: BTreeSet<String> = self.shelf().demand.kinds().map(|kind| kind.reference.clone()).collect();
        for reference in references {
            let digest = match shared.images.refresh(&shared.engine, &reference).await {
                Ok(image) => Some(image.digest),
                Err(SandboxError::ImageMissing { .. } | SandboxError::ImageVolumes { .. }) => None,
                // The engine is away; nothing follows for the image.
                Err(_) => return,
            };
            let is_void = |kind: &Kind| kind.reference == reference && Some(&kind.digest) != digest.as_ref();
            let mut shelf = self.shelf();
            shelf.demand.forget(is_void);
            shelf.waiting.retain(|kind, of_kind| {
                let stays = !is_void(kind);
                of_kind.iter().filter(|_| !stays).for_each(|_| count(&self.counters.stale));
                stays
            });
            shelf.resting.retain(|kind, of_kind| {
                let stays = !is_void(kind);
                of_kind.iter().filter(|_| !stays).for_each(|_| count(&self.counters.stale));
                stays
            });
        }
    }
}

/// What a container on its way to the shelf comes from.
enum From {
    Nothing(Place, Option<usize>),
    Resting(Resting),
}

impl Shelf {
    /// What waits or is on its way.
    fn have(&self) -> BTreeMap<Kind, usize> {
        let mut have = self.making.clone();
        for (kind, of_kind) in &self.waiting {
            *have.entry(kind.clone()).or_default() += of_kind.len();
        }
        have.retain(|_, count| *count > 0);
        have
    }

    /// A resting container of the kind, if its CPU is as good as `cpu`, the one that lacks one most.
    fn take_resting(&mut self, kind: &Kind, cpu: Option<usize>) -> Option<Resting> {
        let wait_for = |cpu: Option<usize>| cpu.map_or(0, |cpu| self.waiting_for(kind, cpu).0);
        let most = wait_for(cpu);
        let place = self.resting.get(kind)?.iter().rposition(|container| wait_for(container.cpu) <= most)?;
        self.resting.get_mut(kind).map(|of_kind| of_kind.remove(place))
    }

    /// How many of the kind wait for the CPU, and how many of all kinds.
    fn waiting_for(&self, kind: &Kind, cpu: usize) -> (usize, usize) {
        let on = |of_kind: &Vec<Waiting>| of_kind.iter().filter(|container| container.cpu == Some(cpu)).count();
        (self.waiting.get(kind).map_or(0, on), self.waiting.values().map(on).sum())
    }
}

/// A container on its way to the shelf. Counted while it lives.
#[derive(Debug)]
struct Making {
    shared: Arc<Shared>,
    kind: Kind,
}

impl Making {
    fn begin(shared: &Arc<Shared>, shelf: &mut Shelf, kind: Kind) -> Making {
        *shelf.making.entry(kind.clone()).or_default() += 1;
        Making { shared: shared.clone(), kind }
    }

    fn pool(&self) -> &Pool {
        self.shared.pool.as_ref().expect("it was begun by the pool")
    }

    async fn make(&self, from: From) {
        let (shared, pool, kind) = (&self.shared, self.pool(), &self.kind);
        let waited = Instant::now();
        while pool.cold_starts.load(std::sync::atomic::Ordering::Relaxed) > 0 && waited.elapsed() < MAKE_WAY {
            tokio::time::sleep(MAKE_WAY / 10).await;
        }
        // Once, whoever comes meanwhile: jobs that come one after another need what is made here.
        if let Some(taken) = pool.last_taken() {
            tokio::time::sleep_until(taken + QUIET).await;
        }
        let outcome = match from {
            From::Nothing(place, cpu) => self.new_one(place, cpu).await,
            From::Resting(resting) => self.again(resting).await,
        };
        match outcome {
            Ok(mut started) => {
                let born = &mut started.born;
                let wanted = (kind.memory_bytes, kind.processes + AGENT_PROCESSES);
                let can_resize = !shared.cannot_resize.load(std::sync::atomic::Ordering::Relaxed);
                // What would have to be changed on the way of a job is changed now. A refusal is told by the job's own try.
                if born.in_force != wanted
                    && can_resize
                    && shared.engine.resize(&born.id, wanted.0, wanted.1).await.is_ok()
                {
                    born.in_force = wanted;
                }
                let waiting = Waiting::new(started, &shared.janitor);
                pool.shelf().waiting.entry(kind.clone()).or_default().push(waiting);
                pool.troubles.over();
            }
            // Somebody removed it, say. The next one is made anew.
            Err(SandboxError::NotAgain) => {}
            Err(error) => {
                count(&pool.counters.failed);
                // With the makers' turn in hand: a failing engine is asked ever more rarely.
                tokio::time::sleep(pool.troubles.more(&error)).await;
            }
        }
    }
}

impl Making {
    async fn new_one(&self, place: Place, cpu: Option<usize>) -> Result<Started, SandboxError> {
        let (shared, pool, kind) = (&self.shared, self.pool(), &self.kind);
        let deadline = jiff::Timestamp::now().as_second() + (pool.age + LONGEST_JOB).as_secs().cast_signed();
        let past = Past::begin(deadline);
        let wish = Wish {
            image: &kind.digest,
            memory_bytes: kind.memory_bytes,
            processes: kind.processes,
            disk_bytes: kind.disk_bytes,
            uid: place.uid.number,
            cpu,
            stays: pool.recycles(kind),
            labels: &waiting_labels(&shared.settings.worker_id, deadline),
        };
        let (born, place) = birth(shared, wish, place).await?;
        count(&pool.counters.made);
        Ok(Started { born, place, cpu, past })
    }

    /// An engine that is well and doesn't start this one container is no trouble of the engine's.
    async fn again(&self, resting: Resting) -> Result<Started, SandboxError> {
        let (pool, id) = (self.pool(), resting.id().to_owned());
        match resting.start(&self.shared, &self.kind).await {
            Ok(started) => {
                pool.recycled();
                Ok(started)
            }
            Err(error) => {
                pool.not_recycled(&id, &self.kind, &error);
                Err(if error.is_engine_failure() { error } else { SandboxError::NotAgain })
            }
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let pool = self.pool();
        let mut shelf = pool.shelf();
        if let Some(count) = shelf.making.get_mut(&self.kind) {
            *count = count.saturating_sub(1);
        }
        drop(shelf);
        pool.changed.notify_one();
    }
}

/// How it goes with making: told once when it begins to fail and once when it works again.
#[derive(Debug, Default)]
pub(super) struct Troubles(std::sync::Mutex<Option<Retry>>);

impl Troubles {
    fn more(&self, error: &SandboxError) -> Duration {
        let mut retry = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if retry.is_none() {
            tracing::warn!(%error, "no containers can be made ahead; jobs go on without them");
        }
        retry.get_or_insert_with(|| Retry::new(FIRST_WAIT, LONGEST_WAIT)).next_wait()
    }

    fn over(&self) {
        let retry = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if retry.is_some() {
            tracing::info!("containers are made ahead again");
        }
    }
}
