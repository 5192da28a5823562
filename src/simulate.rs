//! The arithmetic of scale: a discrete-event model of a fleet between its queues, to answer "how many instances, how long a
//! wait, at what price" before there is a bill. Pure: no clock, no I/O, and the same seed gives the same numbers.
//!
//! ```text
//! arrivals ─► queue ─► free slots of instances in service ─► answered
//!               ▲ given back (Spot), reappeared (crash)          │ each minute: metric ─► policy ─► desired ─► launches, drains
//!               └─────────────────────────────────────────────◄──┘
//! ```
//!
//! One event for each end of a job and a few for each instance, in a binary heap: O((jobs + instances) · log(slots)) time.
//! Arrivals are drawn one by one and never kept, waits go into a histogram, so memory follows the backlog and the slots, not the
//! number of jobs. What would be an event for each idle poll or renewal is an integral over time instead.

mod arrivals;
mod chance;
mod fleet;
mod measure;
mod outcome;
mod plot;
mod policy;
mod run;
mod scenario;
mod service;

pub use outcome::{Outcome, Requests};
pub use plot::plot;
pub use policy::{Datapoint, load};
pub use run::simulate;
pub use scenario::{SETTINGS, Scenario, Setting, Shape};
pub use service::{Samples, samples};

#[cfg(test)]
#[path = "simulate/tests.rs"]
mod tests;
