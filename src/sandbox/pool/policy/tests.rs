use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { places: 6, of_a_kind: 4 };

fn seconds(from: Instant, seconds: f64) -> Instant {
    from + Duration::from_secs_f64(seconds)
}

#[test]
fn what_was_asked_for_once_deserves_one_until_it_is_forgotten() {
    let mut demand = Demand::default();
    let start = Instant::now();
    assert_eq!(demand.next_move(&BTreeMap::new(), 6, start, BOUNDS), None);
    demand.ask(&"c", start);
    for later in [0.0, 10.0, 200.0] {
        assert_eq!(demand.wants(seconds(start, later), BOUNDS)["c"].least, 1);
    }
    demand.forget_idle(seconds(start, 300.0), Duration::from_secs(300));
    let now = seconds(start, 300.0);
    assert_eq!(demand.next_move(&BTreeMap::from([("c", 1)]), 5, now, BOUNDS), Some(Move::Remove("c")));
}

#[test]
fn a_mix_that_changes_is_followed_within_seconds() {
    let mut demand = Demand::default();
    let start = Instant::now();
    for tenth in 0..100 {
        demand.ask(&"old", seconds(start, f64::from(tenth) / 10.0));
    }
    let changed = seconds(start, 10.0);
    assert_eq!(demand.wants(changed, BOUNDS)["old"].least, 4);
    for tenth in 0..50 {
        demand.ask(&"new", seconds(changed, f64::from(tenth) / 10.0));
    }
    let wants = demand.wants(seconds(changed, 5.0), BOUNDS);
    assert_eq!(wants["new"].least, 4);
    assert!(wants["old"].least <= 2, "{wants:?}");
    let wants = demand.wants(seconds(changed, 15.0), BOUNDS);
    assert_eq!(wants["old"], Want { least: 1, most: 1 });
}

#[test]
fn a_busy_kind_leaves_one_place_to_each_other() {
    let mut demand = Demand::default();
    let now = Instant::now();
    for _ in 0..1_000 {
        demand.ask(&"busy", now);
    }
    for kind in ["a", "b", "c", "d", "e", "f"] {
        demand.ask(&kind, now);
    }
    let wants = demand.wants(now, BOUNDS);
    assert_eq!(wants.values().map(|want| want.least).sum::<usize>(), BOUNDS.places);
    assert_eq!(wants["busy"].least, 1);
    assert_eq!(wants["f"].least, 0, "there are more kinds than places");
}

#[derive(Debug, Clone)]
enum Happens {
    Ask(u8),
    Passes(u64),
    /// The keeper may do as many steps as it likes.
    Keep,
    /// One that was being made waits, or failed to be made.
    Made,
    Failed,
    /// A job takes one.
    Taken(u8),
    /// One that was removed is gone.
    Gone,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..5u8).prop_map(Happens::Ask),
        2 => (0..20_000u64).prop_map(Happens::Passes),
        4 => Just(Happens::Keep),
        3 => Just(Happens::Made),
        1 => Just(Happens::Failed),
        3 => (0..5u8).prop_map(Happens::Taken),
        2 => Just(Happens::Gone),
    ]
}

/// What there is, as the pool keeps it.
#[derive(Debug, Default)]
struct World {
    waiting: BTreeMap<u8, usize>,
    making: Vec<u8>,
    leaving: usize,
}

impl World {
    fn have(&self) -> BTreeMap<u8, usize> {
        let mut have = self.waiting.clone();
        for kind in &self.making {
            *have.entry(*kind).or_default() += 1;
        }
        have.retain(|_, count| *count > 0);
        have
    }

    fn places(&self) -> usize {
        self.have().values().sum::<usize>() + self.leaving
    }
}

proptest! {
    #[test]
    fn the_places_are_never_exceeded_and_the_keeper_always_comes_to_rest(
        steps in proptest::collection::vec(happens(), 0..200),
        places in 0..8usize,
        of_a_kind in 1..6usize,
    ) {
        let bounds = Bounds { places, of_a_kind };
        let mut demand = Demand::default();
        let mut world = World::default();
        let mut now = Instant::now();
        for step in steps {
            match step {
                Happens::Ask(kind) => demand.ask(&kind, now),
                Happens::Passes(ms) => {
                    now += Duration::from_millis(ms);
                    demand.forget_idle(now, Duration::from_secs(60));
                }
                Happens::Made => if let Some(kind) = world.making.pop() {
                    *world.waiting.entry(kind).or_default() += 1;
                },
                Happens::Failed => drop(world.making.pop()),
                Happens::Gone => world.leaving = world.leaving.saturating_sub(1),
                Happens::Taken(kind) => if let Some(count) = world.waiting.get_mut(&kind) {
                    *count = count.saturating_sub(1);
                },
                Happens::Keep => {
                    let mut moves = 0;
                    while let Some(next) = demand.next_move(&world.have(), places - world.places(), now, bounds) {
                        match next {
                            Move::Make(kind) => world.making.push(kind),
                            Move::Remove(kind) => {
                                let waiting = world.waiting.get_mut(&kind).filter(|count| **count > 0);
                                // What is being made can't be removed yet; the keeper waits for it.
                                let Some(count) = waiting else { break };
                                *count -= 1;
                                world.leaving += 1;
                            }
                        }
                        moves += 1;
                        prop_assert!(moves <= 3 * places + 1, "the keeper never rests: {world:?}");
                        prop_assert!(world.places() <= places, "{world:?}");
                    }
                }
            }
            prop_assert!(world.places() <= places, "{world:?}");
            let wanted: usize = demand.wants(now, bounds).values().map(|want| want.least).sum();
            prop_assert!(wanted <= places);
        }
    }
}
