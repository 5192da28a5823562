//! Which content an image's name means. To ask costs a job milliseconds, so an answer holds for a few seconds; where the
//! pool asks anew all the time, a job in the middle of many never has to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::SandboxError;
use super::engine::Engine;
use crate::report::ImageReport;

#[derive(Debug)]
pub(crate) struct Images {
    /// How long an answer holds. An image that is tagged anew is used within this time.
    hold: Duration,
    known: Mutex<HashMap<String, (ImageReport, Instant)>>,
    /// When all that are needed were last seen to be there; `None` when one was missing since.
    complete: Mutex<Option<Instant>>,
}

/// How often to look whether the images are still there while no job has found one missing.
const LOOK: Duration = Duration::from_secs(60);

impl Images {
    pub(crate) fn new(hold: Duration) -> Images {
        Images { hold, known: Mutex::default(), complete: Mutex::default() }
    }

    pub(crate) async fn resolve(&self, engine: &Engine, reference: &str) -> Result<ImageReport, SandboxError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(reference).cloned();
        match known {
            Some((image, since)) if since.elapsed() < self.hold => Ok(image),
            _ => self.refresh(engine, reference).await,
        }
    }

    /// What is wrong with those of these images that no job could run in. What the engine doesn't say is taken for good: that it is
    /// away shows elsewhere.
    pub(crate) async fn missing(&self, engine: &Engine, references: impl Iterator<Item = &str>) -> Vec<SandboxError> {
        let seen = *self.complete.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_some_and(|seen| seen.elapsed() < LOOK) {
            return Vec::new();
        }
        let mut missing = Vec::new();
        for reference in references {
            let refreshed = self.refresh(engine, reference).await;
            if let Err(error @ (SandboxError::ImageMissing { .. } | SandboxError::ImageVolumes { .. })) = refreshed {
                missing.push(error);
            }
        }
        if missing.is_empty() {
            *self.complete.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        missing
    }

    /// Asks the engine. Only good answers are kept.
    pub(crate) async fn refresh(&self, engine: &Engine, reference: &str) -> Result<ImageReport, SandboxError> {
        let answer = ask(engine, reference).await;
        if matches!(answer, Err(SandboxError::ImageMissing { .. })) {
            *self.complete.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(image) if !self.hold.is_zero() => {
                known.insert(reference.to_owned(), (image.clone(), Instant::now()));
            }
            _ => drop(known.remove(reference)),
        }
        answer
    }
}

async fn ask(engine: &Engine, reference: &str) -> Result<ImageReport, SandboxError> {
    let reference = reference.to_owned();
    match engine.image(&reference).await? {
        None => Err(SandboxError::ImageMissing { reference }),
        Some(image) if !image.volumes.is_empty() => {
            Err(SandboxError::ImageVolumes { reference, volumes: image.volumes })
        }
        Some(image) => Ok(ImageReport { reference, digest: image.id }),
    }
}
