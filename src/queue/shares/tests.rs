//! The rule against worlds made by chance: shares become the weights, nobody starves, and no permit lies about.

use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

/// A free permit is never kept while some queue is known to have messages, so a simulated world needs only this: queues
/// with so many messages, and so many slots.
struct World {
    shares: Shares,
    backlog: Vec<usize>,
    received: Vec<usize>,
    free: usize,
    now: Instant,
}

impl World {
    fn new(weights: &[u32], backlog: &[usize], slots: usize) -> World {
        World {
            shares: Shares::new(weights.iter().copied()),
            backlog: backlog.to_vec(),
            received: vec![0; weights.len()],
            free: slots,
            now: Instant::now(),
        }
    }

    /// Asks once and answers at once; how many messages were received.
    fn round(&mut self) -> usize {
        let grants = self.shares.grant(self.free, self.now);
        let granted: usize = grants.iter().map(|grant| grant.permits).sum();
        assert!(granted <= self.free, "{granted} of {} permits", self.free);
        let mut all = 0;
        for grant in grants {
            let got = grant.permits.min(self.backlog[grant.source]);
            self.backlog[grant.source] -= got;
            self.received[grant.source] += got;
            self.free -= got;
            self.shares.answered(grant, got);
            all += got;
        }
        self.now += Duration::from_millis(7);
        all
    }
}

proptest! {
    #[test]
    fn under_saturation_messages_are_shared_by_weight(
        weights in prop::collection::vec(1_u32..=100, 2..6),
        slots in 1_usize..40,
        ends in prop::collection::vec(1_usize..8, 4_000),
    ) {
        let mut world = World::new(&weights, &vec![usize::MAX / 2; weights.len()], slots);
        for end in ends {
            world.round();
            // So many jobs end.
            world.free = (world.free + end).min(slots);
        }
        let all: usize = world.received.iter().sum();
        let total: u32 = weights.iter().sum();
        for (received, weight) in world.received.iter().zip(&weights) {
            let fair = all as f64 * f64::from(*weight) / f64::from(total);
            // The first questions go to all alike, and a share is met to a message of each other queue.
            let slack = (slots + 2 * weights.len() + 10) as f64;
            prop_assert!((*received as f64 - fair).abs() <= slack, "{:?} of {weights:?}", world.received);
        }
    }

    #[test]
    fn every_message_is_received_whatever_the_weights_and_permits_are_conserved(
        queues in prop::collection::vec((1_u32..=100, 0_usize..60), 1..6),
        slots in 1_usize..20,
    ) {
        let (weights, backlog): (Vec<u32>, Vec<usize>) = queues.into_iter().unzip();
        let all: usize = backlog.iter().sum();
        let mut world = World::new(&weights, &backlog, slots);
        let mut left = all;
        for _ in 0..200 * (all + 10) {
            left -= world.round();
            if left == 0 {
                break;
            }
            world.free = slots;
        }
        prop_assert_eq!(left, 0, "{:?} are left", world.backlog);
    }

    /// Answers in any order, late, short or failed: no more is granted than is free, what is free is granted while a
    /// queue is busy, and with a permit left nobody is unasked.
    #[test]
    fn no_permit_lies_about_whatever_the_order_of_answers(
        weights in prop::collection::vec(1_u32..=9, 2..5),
        slots in 1_usize..12,
        steps in prop::collection::vec((0_u8..4, 0_usize..12, 0_usize..12), 1..300),
    ) {
        let mut shares = Shares::new(weights.iter().copied());
        let (mut free, mut now) = (slots, Instant::now());
        let mut under_way: Vec<Grant> = Vec::new();
        for (step, which, how_many) in steps {
            now += Duration::from_millis(30);
            let grants = shares.grant(free, now);
            free -= grants.iter().map(|grant| grant.permits).sum::<usize>();
            prop_assert!(grants.iter().all(|grant| grant.permits >= 1 && grant.permits <= BATCH));
            under_way.extend(grants);
            let is_rested = |it: &Source| it.is_awake(now);
            if shares.sources.iter().any(|it| it.is_busy && is_rested(it)) {
                prop_assert_eq!(free, 0);
            } else if free > 0 {
                prop_assert!(shares.sources.iter().all(|it| it.polls > 0 || !is_rested(it)));
            }
            if under_way.is_empty() {
                free = slots;
                continue;
            }
            let grant = under_way.swap_remove(which % under_way.len());
            if step == 0 {
                shares.failed(grant, now + Duration::from_millis(100));
                free += grant.permits;
            } else {
                let got = how_many.min(grant.permits);
                shares.answered(grant, got);
                // The jobs of the messages end at once.
                free += grant.permits;
            }
        }
        prop_assert!(free <= slots);
    }

    #[test]
    fn a_queue_with_messages_is_asked_before_long_whatever_the_others_do(
        weights in prop::collection::vec(1_u32..=100, 2..6),
    ) {
        // One slot, all queues full: the longest a queue waits is the sum of the weights, and one probe of each.
        let mut world = World::new(&weights, &vec![usize::MAX / 2; weights.len()], 1);
        let total: u32 = weights.iter().sum();
        let mut since = vec![0_u32; weights.len()];
        for _ in 0..2_000 {
            let before = world.received.clone();
            world.round();
            world.free = 1;
            for (index, waited) in since.iter_mut().enumerate() {
                *waited = if world.received[index] > before[index] { 0 } else { *waited + 1 };
                prop_assert!(*waited <= total + 10, "queue {index} of {weights:?} waits {waited} rounds");
            }
        }
    }
}

fn waits(grants: &[Grant]) -> Vec<(usize, usize, Wait)> {
    grants.iter().map(|grant| (grant.source, grant.permits, grant.wait)).collect()
}

#[test]
fn a_single_queue_is_long_polled_with_all_that_is_free() {
    let mut shares = Shares::new([1]);
    let now = Instant::now();
    assert_eq!(shares.wanted(), BATCH);
    let grants = shares.grant(4, now);
    assert_eq!(waits(&grants), [(0, 4, Wait::Full)]);
    assert_eq!((shares.grant(2, now), shares.wanted()), (vec![], 0), "one poll at a time");
    shares.failed(grants[0], now + Duration::from_secs(1));
    assert_eq!(shares.grant(2, now), []);
    assert_eq!(shares.next_look(now), Some(now + Duration::from_secs(1)));
    assert_eq!(waits(&shares.grant(20, now + Duration::from_secs(1))), [(0, BATCH, Wait::Full)]);
}

#[test]
fn quiet_queues_wait_side_by_side_with_one_permit_each_and_the_rest_stays_at_hand() {
    let mut shares = Shares::new([1, 4]);
    let now = Instant::now();
    let grants = shares.grant(5, now);
    assert_eq!(waits(&grants), [(1, 1, Wait::AtMost(IDLE_WAIT)), (0, 1, Wait::AtMost(IDLE_WAIT))]);
    assert_eq!(shares.grant(3, now), []);
    // A message comes in: what is at hand goes to its queue at once, although the other one still waits.
    shares.answered(grants[0], 1);
    assert_eq!(waits(&shares.grant(3, now)), [(1, 3, Wait::AtMost(Duration::ZERO))]);
}

#[test]
fn with_fewer_permits_than_queues_they_take_short_turns() {
    let mut shares = Shares::new([1, 1, 1]);
    let mut now = Instant::now();
    let mut order = Vec::new();
    for _ in 0..6 {
        let grants = shares.grant(1, now);
        assert_eq!(grants[0].wait, Wait::AtMost(TURN_WAIT));
        order.push(grants[0].source);
        now += TURN_WAIT;
        shares.answered(grants[0], 0);
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_quiet_queue_is_looked_at_in_passing_and_keeps_no_permit_from_a_busy_one() {
    let mut shares = Shares::new([9, 1]);
    let mut now = Instant::now();
    let first = shares.grant(2, now);
    shares.answered(first[0], 0);
    shares.answered(first[1], 1);
    assert_eq!(waits(&shares.grant(2, now)), [(1, 2, Wait::AtMost(Duration::ZERO))], "it has just been asked");
    assert_eq!(shares.next_look(now), Some(now + PROBE_EVERY));
    now += PROBE_EVERY;
    let look = shares.grant(2, now);
    assert_eq!(waits(&look), [(0, 1, Wait::AtMost(Duration::ZERO)), (1, 1, Wait::AtMost(Duration::ZERO))]);
}

#[test]
fn a_queue_that_was_quiet_has_saved_nothing_up() {
    let mut world = World::new(&[1, 1], &[usize::MAX / 2, 0], 1);
    for _ in 0..1_000 {
        world.round();
        world.free = 1;
    }
    world.backlog[1] = usize::MAX / 2;
    let before = world.received.clone();
    for _ in 0..400 {
        world.round();
        world.free = 1;
    }
    let now: Vec<usize> = world.received.iter().zip(before).map(|(now, before)| now - before).collect();
    assert!(now[0].abs_diff(now[1]) <= 20, "{now:?}");
}

#[test]
fn a_failing_queue_is_left_alone_and_the_other_goes_on() {
    let mut shares = Shares::new([1, 1]);
    let now = Instant::now();
    let grants = shares.grant(2, now);
    shares.failed(grants[0], now + Duration::from_secs(3));
    shares.answered(grants[1], 1);
    let source = grants[1].source;
    assert_eq!(waits(&shares.grant(2, now + Duration::from_secs(1))), [(source, 2, Wait::AtMost(Duration::ZERO))]);
    assert!(shares.grant(1, now + Duration::from_secs(3)).iter().any(|grant| grant.source == grants[0].source));
}

/// The heap is what a naive rule would use; with whole weights and one slot both give the same order.
#[test]
fn with_one_slot_the_order_is_that_of_the_weights() {
    let mut world = World::new(&[3, 1], &[usize::MAX / 2; 2], 1);
    let mut order = Vec::new();
    for _ in 0..44 {
        let before = world.received.clone();
        world.round();
        world.free = 1;
        order.extend((0..2).filter(|index| world.received[*index] > before[*index]));
    }
    let mut heap = BinaryHeap::new();
    heap.extend(order[4..].chunks(4).map(|four| four.iter().filter(|source| **source == 0).count()));
    assert_eq!(heap.into_sorted_vec(), [3; 10], "{order:?}");
}
