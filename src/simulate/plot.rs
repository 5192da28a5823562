//! The timeline as an SVG: the queue above, the fleet below, one axis of time.

use std::fmt::Write as _;

use super::measure::Point;
use super::outcome::{Outcome, span};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 180.0;
const QUEUE_TOP: f64 = 50.0;
const FLEET_TOP: f64 = 270.0;
const HEIGHT: f64 = 500.0;

/// A line: its name, colour and value.
type Line = (&'static str, &'static str, fn(&Point) -> f64);

const QUEUE: [Line; 2] = [
    ("waiting", "#c0392b", |point| point.visible as f64),
    ("in flight", "#e59866", |point| point.in_flight as f64),
];
const FLEET: [Line; 2] = [
    ("desired", "#7f8c8d", |point| point.desired as f64),
    ("in service", "#1f618d", |point| point.running as f64),
];

/// Draws what happened. Readable on white and without fonts of its own.
pub fn plot(outcome: &Outcome) -> String {
    let last = outcome.timeline.last().map_or(1.0, |point| point.at_s).max(1.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    text(&mut svg, LEFT, 20.0, "start", "#222", &outcome.title);
    panel(&mut svg, &outcome.timeline, last, QUEUE_TOP, "messages", &QUEUE);
    panel(&mut svg, &outcome.timeline, last, FLEET_TOP, "instances", &FLEET);
    let step = nice(last / 8.0, &[60.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0]);
    let mut at = 0.0;
    while at <= last {
        let x = x_of(at, last);
        let label = if at == 0.0 { "0".to_owned() } else { span(at) };
        text(&mut svg, x, FLEET_TOP + PANEL + 18.0, "middle", "#444", &label);
        at += step;
    }
    let foot = format!(
        "wait p50 {}, p95 {}, p99 {}; drained after {}; {} instances at most; {:.2} a million jobs",
        span(outcome.wait_p50_s),
        span(outcome.wait_p95_s),
        span(outcome.wait_p99_s),
        span(outcome.drain_s),
        outcome.peak_instances,
        outcome.cost_per_million_jobs
    );
    text(&mut svg, LEFT, HEIGHT - 10.0, "start", "#444", &foot);
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, points: &[Point], last: f64, top: f64, unit: &str, lines: &[Line]) {
    let values = points.iter().flat_map(|point| lines.iter().map(|line| (line.2)(point)));
    let highest = values.fold(1.0, f64::max);
    let tick = nice(highest / 4.0, &[]);
    let scale = (highest / tick).ceil() * tick;
    let y_of = |value: f64| top + PANEL - PANEL * value / scale;
    let mut value = 0.0;
    while value <= scale + tick / 2.0 {
        let y = y_of(value);
        let _ = writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"#ddd\"/>", WIDTH - RIGHT);
        text(svg, LEFT - 6.0, y + 4.0, "end", "#444", &format!("{value}"));
        value += tick;
    }
    text(svg, LEFT, top - 8.0, "start", "#444", unit);
    for (index, (name, colour, value)) in lines.iter().enumerate() {
        let mut path = String::new();
        let mut before: Option<(f64, f64)> = None;
        for (number, point) in points.iter().enumerate() {
            let at = (x_of(point.at_s, last), y_of(value(point)));
            let is_last = number + 1 == points.len();
            match before {
                None => {
                    let _ = write!(path, "M{:.1} {:.1}", at.0, at.1);
                }
                // What doesn't change is one line, drawn when it ends.
                Some(old) if old.1 != at.1 => {
                    let _ = write!(path, "H{:.1}V{:.1}", at.0, at.1);
                }
                Some(_) if is_last => {
                    let _ = write!(path, "H{:.1}", at.0);
                }
                Some(_) => {}
            }
            before = Some(at);
        }
        let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>");
        text(svg, LEFT + 110.0 + 90.0 * index as f64, top - 8.0, "start", colour, name);
    }
}

fn x_of(at: f64, last: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * at / last
}

/// The first of `steps` that isn't below `least`; past them, 1, 2 or 5 times a power of ten.
fn nice(least: f64, steps: &[f64]) -> f64 {
    if let Some(step) = steps.iter().find(|step| **step >= least) {
        return *step;
    }
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|times| times * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, colour: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>");
}
