//! Containers that nobody owns any more: those of an earlier run under this worker's name, and those past their deadline.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::engine::{Engine, EngineError};
use super::spec::{LABEL_DEADLINE, LABEL_WORKER};
use super::{Shared, agent};

/// How long the engine may take to finish removals that are under way.
const CLOSE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Removes orphans. Containers of other workers that are within their deadline are left alone.
///
/// # Errors
/// When the engine can't list or remove.
pub(crate) async fn orphans(engine: &Engine, worker_id: &str) -> Result<(), EngineError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for container in engine.list(&[LABEL_WORKER.to_owned()]).await? {
        if is_orphan(&container.labels, worker_id, now) {
            tracing::warn!(container.id, job.id = container.labels.get(super::spec::LABEL_JOB), "removing an orphan");
            engine.remove(&container.id).await?;
        }
    }
    Ok(())
}

fn is_orphan(labels: &HashMap<String, String>, worker_id: &str, now: u64) -> bool {
    let deadline = labels.get(LABEL_DEADLINE).and_then(|deadline| deadline.parse::<u64>().ok());
    labels.get(LABEL_WORKER).is_some_and(|worker| worker == worker_id) || deadline.is_none_or(|deadline| deadline < now)
}

/// At the end: nothing of this worker stays.
pub(crate) async fn close(shared: &Shared) {
    // What was kept is there to be looked into, and needs the agent's volume.
    if shared.settings.keep {
        return;
    }
    let ours = [format!("{LABEL_WORKER}={}", shared.settings.worker_id)];
    let gone = async {
        loop {
            match shared.engine.list(&ours).await {
                Ok(left) if left.is_empty() => return,
                Ok(left) => {
                    for container in left {
                        if let Err(error) = shared.engine.remove(&container.id).await {
                            tracing::warn!(container.id, %error, "a container could not be removed");
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "the engine could not be asked for what is left"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    if tokio::time::timeout(CLOSE, gone).await.is_err() {
        tracing::error!(worker.id = shared.settings.worker_id, "containers are left; remove them by the label {LABEL_WORKER}");
    }
    if shared.agent.initialized()
        && let Err(error) = remove_volume(&shared.engine).await
    {
        tracing::warn!(%error, "the agent's volume could not be removed");
    }
}

/// Removes the agent's volume, unless another worker's container has it.
async fn remove_volume(engine: &Engine) -> Result<(), EngineError> {
    let volume = agent::volume_name();
    let removed = async {
        // The engine lets go of a volume a moment after its last container has gone from the list.
        while !engine.remove_volume(&volume).await? && !engine.is_volume_used(&volume).await? {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    };
    // Past the limit nobody has it and it still can't be removed: the next worker of this build uses it.
    tokio::time::timeout(CLOSE, removed).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(worker: &str, deadline: Option<&str>) -> HashMap<String, String> {
        let mut labels = HashMap::from([(LABEL_WORKER.to_owned(), worker.to_owned())]);
        labels.extend(deadline.map(|deadline| (LABEL_DEADLINE.to_owned(), deadline.to_owned())));
        labels
    }

    #[test]
    fn another_workers_container_is_an_orphan_only_past_its_deadline() {
        assert!(!is_orphan(&labels("other", Some("1000")), "me", 1000));
        assert!(is_orphan(&labels("other", Some("999")), "me", 1000));
        assert!(is_orphan(&labels("me", Some("5000")), "me", 1000));
        assert!(is_orphan(&labels("other", None), "me", 1000));
    }
}
