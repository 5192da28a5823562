//! Containers that nobody owns any more: those of an earlier run under this worker's name, those of this run that nobody
//! answers for, and, whoever made them, those past their deadline, those that were never started, and those that nobody
//! started again. Looked for at the start and every minute.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;

use super::engine::{Engine, EngineError, Listed, Removal};
use super::owned::Owned;
use super::spec::{LABEL_DEADLINE, LABEL_JOB, LABEL_POOL, LABEL_WORKER};
use super::{Shared, agent};

/// A container that was made and not started for so long, in seconds, has lost whoever was to start it: between the two lies
/// one short call. It has no connection yet that would end it with its worker.
const STILLBORN_S: u64 = 60;

/// A container of a pool that ended for so long ago, in seconds, has lost its worker: a live one starts it again or removes it
/// within half of that.
pub(crate) const FORSAKEN_S: u64 = 60;

const LOOK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Sweep {
    engine: Engine,
    worker_id: String,
    owned: Owned,
    /// This worker's containers that nobody owned the last time. Only the second time counts: one that the engine is
    /// about to remove by itself is listed for a moment longer than it is owned. `None` before the first time, when
    /// nothing is owned yet and all of them are an earlier run's.
    suspects: Option<HashSet<String>>,
    /// Whether it failed the last time, so that it is told once.
    failing: bool,
}

impl Sweep {
    pub(crate) fn new(engine: &Engine, worker_id: &str, owned: &Owned) -> Sweep {
        Sweep {
            engine: engine.clone(),
            worker_id: worker_id.to_owned(),
            owned: owned.clone(),
            suspects: None,
            failing: false,
        }
    }

    /// For as long as the worker lives.
    pub(crate) async fn run(mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            // It tells by itself when it begins and ends to fail; the next time is soon.
            let _ = self.once().await;
        }
    }

    /// Removes orphans. What another worker made is left alone within its deadline. One that can't be removed doesn't
    /// keep the others: it is tried again the next time.
    ///
    /// # Errors
    /// When the engine can't say what there is.
    pub(crate) async fn once(&mut self) -> Result<(), EngineError> {
        let outcome = self.all().await;
        let failure = match &outcome {
            Ok(failure) => failure.as_ref(),
            Err(error) => Some(error),
        };
        match failure {
            Some(error) if !self.failing => tracing::warn!(%error, "the sweep for orphans fails"),
            None if self.failing => tracing::info!("the sweep for orphans works again"),
            _ => {}
        }
        self.failing = failure.is_some();
        outcome.map(drop)
    }

    /// The inner error is the last of those that kept single orphans from being removed.
    async fn all(&mut self) -> Result<Option<EngineError>, EngineError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut failure = None;
        for container in self.orphans(now).await? {
            let job = container.labels.get(LABEL_JOB);
            match self.engine.remove(&container.id).await {
                Ok(Removal::Gone) => {
                    crate::metrics::orphan_removed();
                    tracing::warn!(container.id, job.id = job, "removed an orphan");
                }
                Ok(Removal::Absent | Removal::UnderWay) => {}
                Err(error) => failure = Some(error),
            }
        }
        for container in self.engine.list(&[agent::LABEL.to_owned()]).await? {
            if is_given_up(&container, now)
                && let Err(error) = self.engine.remove(&container.id).await
            {
                failure = Some(error);
            }
        }
        for image in self.engine.list_images(agent::LABEL).await? {
            if is_late(&image.labels, now)
                && let Err(error) = self.engine.remove_image(&image.id).await
            {
                failure = Some(error);
            }
        }
        Ok(failure)
    }

    async fn orphans(&mut self, now: u64) -> Result<Vec<Listed>, EngineError> {
        let mut listed = self.engine.list(&[LABEL_WORKER.to_owned()]).await?;
        let unowned: HashSet<String> = listed
            .iter()
            .filter(|container| container.labels.get(LABEL_WORKER).is_some_and(|worker| *worker == self.worker_id))
            .filter(|container| !self.owned.has(&container.name))
            .map(|container| container.id.clone())
            .collect();
        let suspects = self.suspects.replace(unowned.clone()).unwrap_or_else(|| unowned.clone());
        let mut forsaken = HashSet::new();
        for container in listed.iter().filter(|container| self.may_be_forsaken(container)) {
            // One that can't be looked at now doesn't keep the others.
            let ended = self.engine.ended_at(&container.id).await.ok().flatten();
            if ended.is_some_and(|ended| ended.saturating_add_unsigned(FORSAKEN_S) < now.cast_signed()) {
                forsaken.insert(container.id.clone());
            }
        }
        listed.retain(|container| {
            let is_ours = unowned.contains(&container.id);
            (is_ours && suspects.contains(&container.id))
                || (!self.owned.has(&container.name)
                    && (is_given_up(container, now) || forsaken.contains(&container.id)))
        });
        Ok(listed)
    }

    fn may_be_forsaken(&self, container: &Listed) -> bool {
        container.has_ended && container.labels.contains_key(LABEL_POOL) && !self.owned.has(&container.name)
    }
}

/// Whoever made it. One that holds the agent for a moment is never started at all.
fn is_given_up(container: &Listed, now: u64) -> bool {
    is_late(&container.labels, now) || is_stillborn(container, now)
}

/// Past its deadline, or without one.
fn is_late(labels: &HashMap<String, String>, now: u64) -> bool {
    let deadline = labels.get(LABEL_DEADLINE).and_then(|deadline| deadline.parse::<u64>().ok());
    deadline.is_none_or(|deadline| deadline < now)
}

/// Whoever made it, and whatever its deadline.
fn is_stillborn(container: &Listed, now: u64) -> bool {
    container.never_started && container.created.saturating_add_unsigned(STILLBORN_S) < now.cast_signed()
}

/// At the end: nothing of this worker stays, unless the engine doesn't let go of it within `limit`.
pub(crate) async fn close(shared: &Shared, limit: Duration) {
    // What was kept is there to be looked into, and needs the agent's volume.
    if shared.settings.keep {
        return;
    }
    let ours = [format!("{LABEL_WORKER}={}", shared.settings.worker_id)];
    let mut failing = false;
    let gone = async {
        loop {
            let (mut failure, mut is_left) = (None, false);
            match shared.engine.list(&ours).await {
                Ok(left) => {
                    for container in left {
                        match shared.engine.remove(&container.id).await {
                            Ok(Removal::Absent) => {}
                            Ok(Removal::Gone | Removal::UnderWay) => is_left = true,
                            Err(error) => failure = Some(error),
                        }
                    }
                }
                Err(error) => failure = Some(error),
            }
            if failure.is_none() && !is_left {
                return;
            }
            if let Some(error) = failure
                && !failing
            {
                failing = true;
                tracing::warn!(%error, "what is left can't be removed; trying again");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    if tokio::time::timeout(limit, gone).await.is_err() {
        tracing::error!(
            worker.id = shared.settings.worker_id,
            "containers may be left; the next worker on this host removes them, or you by the label {LABEL_WORKER}"
        );
        return;
    }
    for volume in shared.agent.iter().filter_map(OnceCell::get) {
        // Past the limit nobody has it and it still can't be removed: the next worker of this build uses it.
        let removed = tokio::time::timeout(limit, remove_volume(&shared.engine, volume)).await.unwrap_or(Ok(()));
        if let Err(error) = removed {
            tracing::warn!(%error, "the agent's volume could not be removed");
        }
    }
}

/// Removes a volume of the agent's, unless another worker's container has it.
async fn remove_volume(engine: &Engine, volume: &str) -> Result<(), EngineError> {
    // The engine lets go of a volume a moment after its last container has gone from the list.
    while !engine.remove_volume(volume).await? && !engine.is_volume_used(volume).await? {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_late_when_it_has_passed_or_was_never_set() {
        let labels = |deadline: &str| HashMap::from([(LABEL_DEADLINE.to_owned(), deadline.to_owned())]);
        assert!(!is_late(&labels("1000"), 1000));
        assert!(is_late(&labels("999"), 1000));
        assert!(is_late(&labels("soon"), 1000) && is_late(&HashMap::new(), 1000));
    }

    #[test]
    fn what_was_never_started_is_given_up_after_a_minute() {
        let made = |created, never_started| Listed {
            id: String::new(),
            name: String::new(),
            labels: HashMap::from([(LABEL_DEADLINE.to_owned(), "9999".to_owned())]),
            created,
            never_started,
            has_ended: false,
        };
        assert!(is_given_up(&made(1_000, true), 1_061));
        assert!(!is_given_up(&made(1_000, true), 1_060));
        assert!(!is_given_up(&made(1_000, false), 5_000));
    }
}
