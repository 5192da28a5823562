//! What should wait, decided from what was asked for: pure, with the time given.
//!
//! Each kind of container has a rate that every request raises and time lowers. A kind that was asked for lately deserves
//! one container; one that is asked for often as many as are taken while a new one is made. Where the places don't suffice,
//! the kinds asked for most go first. Between what a kind deserves and what is taken away from it lies a gap, so that a
//! rate that wavers doesn't make and remove the same container over and over.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Over how much of the past a rate is taken: a mix that changes shows within this time.
const MEMORY: Duration = Duration::from_secs(5);

/// How much of the future the waiting containers are for. Making one takes a tenth of that on an idle host, and about all
/// of it on a busy one.
const AHEAD: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Requests, each counted less the longer ago it was.
    weight: f64,
    /// When the weight was right.
    at: Instant,
}

impl Asked {
    fn weight(&self, now: Instant) -> f64 {
        self.weight * (-now.saturating_duration_since(self.at).as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }

    /// Requests a second.
    fn rate(&self, now: Instant) -> f64 {
        self.weight(now) / MEMORY.as_secs_f64()
    }
}

/// What was asked for, by kind.
#[derive(Debug)]
pub(crate) struct Demand<K> {
    asked: BTreeMap<K, Asked>,
}

/// How many of a kind should wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    /// Fewer, and one is made.
    pub(crate) least: usize,
    /// More, and one is removed.
    pub(crate) most: usize,
}

/// One step towards what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move<K> {
    Make(K),
    Remove(K),
}

/// What may wait at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Places for all kinds together.
    pub(crate) places: usize,
    /// Of one kind: as many as can be taken at the same time.
    pub(crate) of_a_kind: usize,
}

impl<K> Default for Demand<K> {
    fn default() -> Demand<K> {
        Demand { asked: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Demand<K> {
    pub(crate) fn ask(&mut self, kind: &K, now: Instant) {
        let weight = self.asked.get(kind).map_or(0.0, |asked| asked.weight(now));
        self.asked.insert(kind.clone(), Asked { weight: weight + 1.0, at: now });
    }

    /// Forgets the kinds that nobody asked for lately.
    pub(crate) fn forget_idle(&mut self, now: Instant, lately: Duration) {
        self.asked.retain(|_, asked| now.saturating_duration_since(asked.at) < lately);
    }

    pub(crate) fn forget(&mut self, is_void: impl Fn(&K) -> bool) {
        self.asked.retain(|kind, _| !is_void(kind));
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &K> {
        self.asked.keys()
    }

    /// What each kind deserves. What isn't in it deserves nothing.
    pub(crate) fn wants(&self, now: Instant, bounds: Bounds) -> BTreeMap<K, Want> {
        let mut by_rate: Vec<(&K, f64)> = self.asked.iter().map(|(kind, asked)| (kind, asked.rate(now))).collect();
        by_rate.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let mut left = bounds.places;
        let mut wants = BTreeMap::new();
        let taken_in = |rate: f64, time: Duration| (rate * time.as_secs_f64()).ceil().max(1.0) as usize;
        // One for each first, so that a busy kind doesn't take every place from all others.
        for (kind, rate) in &by_rate {
            let one = left.min(1).min(bounds.of_a_kind);
            left -= one;
            let most = taken_in(*rate, 2 * AHEAD).min(bounds.of_a_kind);
            wants.insert((*kind).clone(), Want { least: one, most: most.max(one) });
        }
        for (kind, rate) in by_rate {
            let Some(want) = wants.get_mut(kind) else { continue };
            let more = taken_in(rate, AHEAD).min(bounds.of_a_kind).saturating_sub(want.least).min(left);
            want.least += more;
            left -= more;
            want.most = want.most.max(want.least);
        }
        wants
    }

    /// The next step from what there is: waiting containers and those on their way. `free_places` are neither taken by
    /// those nor by containers on their way out.
    pub(crate) fn next_move(
        &self,
        have: &BTreeMap<K, usize>,
        free_places: usize,
        now: Instant,
        bounds: Bounds,
    ) -> Option<Move<K>> {
        let wants = self.wants(now, bounds);
        let want = |kind: &K| wants.get(kind).copied().unwrap_or(Want { least: 0, most: 0 });
        let has = |kind: &K| have.get(kind).copied().unwrap_or(0);
        if let Some((kind, _)) = have.iter().find(|(kind, count)| **count > want(kind).most) {
            return Some(Move::Remove(kind.clone()));
        }
        let rate = |kind: &K| self.asked.get(kind).map_or(0.0, |asked| asked.rate(now));
        let lacking = wants.iter().filter(|(kind, want)| has(kind) < want.least).map(|(kind, _)| kind);
        let lacking = lacking.max_by(|one, other| rate(one).total_cmp(&rate(other)))?;
        if free_places > 0 {
            return Some(Move::Make(lacking.clone()));
        }
        // Somebody has more than it deserves, within the gap. Those on their way out may be enough, so only as many leave
        // as all the places hold.
        let all: usize = have.values().sum();
        let spare = have.iter().filter(|(kind, count)| **count > want(kind).least).map(|(kind, _)| kind);
        let spare = spare.min_by(|one, other| rate(one).total_cmp(&rate(other)))?;
        (all >= bounds.places).then(|| Move::Remove(spare.clone()))
    }
}

#[cfg(test)]
mod tests;
