//! The three pictures of the page.

use super::figures::{COMPARED_AT, Cpu, Figures, PYTHON, first_seen};
use super::statistics::{distribution, median};
use super::svg::{Drawing, WIDTH, round_up};
use super::targets::number;

const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 190.0;

/// File name and content of each.
pub(crate) fn plots(figures: &Figures) -> [(&'static str, String); 3] {
    [("latency.svg", latency(figures)), ("throughput.svg", throughput(figures)), ("cpu.svg", cpu(figures))]
}

/// A way's colour, and whether its line is dashed: another runtime than the default has its way's colour, dashed.
fn style(figures: &Figures, way: &str) -> (usize, bool) {
    let plain = |way: &str| way.split(" (").next().unwrap_or_default().to_owned();
    let ways = figures.ways();
    let plains: Vec<String> = ways.iter().map(|way| plain(way)).collect();
    let order = first_seen(plains.iter().map(String::as_str));
    (order.iter().position(|it| *it == plain(way)).unwrap_or_default(), way.contains(" ("))
}

/// The names of the ways in two columns below a plot, each in its colour.
fn legend(drawing: &mut Drawing, figures: &Figures, ways: &[&str], top: f64) {
    for (index, way) in ways.iter().enumerate() {
        let (colour, dashed) = style(figures, way);
        let x = LEFT + (index % 3) as f64 * 260.0;
        let y = top + (index / 3) as f64 * 20.0;
        drawing.line(&[(x, y - 4.0), (x + 26.0, y - 4.0)], colour, dashed, false);
        drawing.name(x + 34.0, y, colour, way);
    }
}

fn legend_height(ways: usize) -> f64 {
    ways.div_ceil(3) as f64 * 20.0
}

/// For each workload the share of runs that took at most so long, over a logarithmic axis of time.
fn latency(figures: &Figures) -> String {
    let workloads = figures.workloads();
    let ways = first_seen(figures.latency.iter().map(|it| it.way.as_str()));
    let step = PANEL + 70.0;
    let bottom = 20.0 + step * workloads.len() as f64;
    let mut drawing = Drawing::new(
        bottom + 20.0 + legend_height(ways.len()),
        "How long a program takes, each way, as a distribution",
    );
    for (index, workload) in workloads.iter().enumerate() {
        let top = 40.0 + step * index as f64;
        let all = figures.latency.iter().filter(|it| it.workload == *workload);
        let samples: Vec<f64> =
            all.clone().flat_map(|it| it.samples_ms.iter().copied()).filter(|it| *it > 0.0).collect();
        let lowest = samples.iter().copied().fold(f64::INFINITY, f64::min).clamp(0.01, 1e6).log10().floor();
        let highest = samples.iter().copied().fold(0.0, f64::max).max(0.1).log10().ceil().max(lowest + 1.0);
        let x_of = |value: f64| {
            let share = (value.max(1e-9).log10() - lowest) / (highest - lowest);
            LEFT + (WIDTH - LEFT - RIGHT) * share.clamp(0.0, 1.0)
        };
        let y_of = |share: f64| top + PANEL * (1.0 - share);
        drawing.title(LEFT, top - 12.0, &format!("{workload}: from the order to the result, one at a time"));
        for percent in [0, 25, 50, 75, 95, 100] {
            let y = y_of(f64::from(percent) / 100.0);
            drawing.grid((LEFT, y), (WIDTH - RIGHT, y));
            drawing.text(LEFT - 8.0, y + 4.0, "end", &format!("{percent} %"));
        }
        for decade in (lowest as i32)..=(highest as i32) {
            for digit in [1.0, 2.0, 5.0] {
                let value = digit * 10_f64.powi(decade);
                if value.log10() > highest + 1e-9 {
                    continue;
                }
                let x = x_of(value);
                drawing.grid((x, top), (x, top + PANEL));
                drawing.text(x, top + PANEL + 17.0, "middle", &format!("{value} ms"));
            }
        }
        for one in all {
            let mut points: Vec<(f64, f64)> = Vec::new();
            for (value, share) in distribution(&one.samples_ms) {
                if points.is_empty() {
                    points.push((x_of(value), y_of(0.0)));
                }
                points.push((x_of(value), y_of(share)));
            }
            let (colour, dashed) = style(figures, &one.way);
            drawing.line(&points, colour, dashed, true);
        }
    }
    legend(&mut drawing, figures, &ways, bottom + 14.0);
    drawing.finish()
}

/// Jobs a second over the number of jobs at a time.
fn throughput(figures: &Figures) -> String {
    let all: Vec<_> = figures.throughput.iter().filter(|it| it.workload == PYTHON).collect();
    let ways: Vec<&str> = first_seen(all.iter().map(|it| it.way.as_str()));
    let mut levels: Vec<usize> = all.iter().map(|it| it.at_a_time).collect();
    levels.sort_unstable();
    levels.dedup();
    let (top, height) = (46.0, 280.0);
    let bottom = top + height;
    let mut drawing = Drawing::new(bottom + 66.0 + legend_height(ways.len()), "Jobs a second over jobs at a time");
    drawing.title(LEFT, top - 20.0, &format!("{PYTHON}: jobs a second"));
    // Bare exec is far above the others, which have to be told apart: its line may leave the plot.
    let rates = all.iter().filter(|it| it.way != super::figures::BARE).filter_map(|it| median(&it.jobs_per_s));
    let most = round_up(rates.fold(1.0, f64::max) * 1.1);
    let y_of = |rate: f64| bottom - height * (rate / most).min(1.0);
    let x_of = |level: usize| {
        let place = levels.iter().position(|it| *it == level).unwrap_or_default() as f64;
        LEFT + 30.0 + (WIDTH - LEFT - RIGHT - 60.0) * place / levels.len().saturating_sub(1).max(1) as f64
    };
    for part in 0..=4 {
        let value = most * f64::from(part) / 4.0;
        drawing.grid((LEFT, y_of(value)), (WIDTH - RIGHT, y_of(value)));
        drawing.text(LEFT - 8.0, y_of(value) + 4.0, "end", &format!("{value}"));
    }
    for level in &levels {
        drawing.text(x_of(*level), bottom + 18.0, "middle", &level.to_string());
    }
    drawing.text((LEFT + WIDTH - RIGHT) / 2.0, bottom + 38.0, "middle", "jobs at a time");
    for way in &ways {
        let (colour, dashed) = style(figures, way);
        let of_way = all.iter().filter(|it| it.way == *way);
        let mut rates: Vec<(usize, f64)> =
            of_way.filter_map(|it| Some((it.at_a_time, median(&it.jobs_per_s)?))).collect();
        rates.sort_by_key(|(level, _)| *level);
        let inside: Vec<(f64, f64)> = rates.iter().map(|(level, rate)| (x_of(*level), y_of(*rate))).collect();
        drawing.line(&inside, colour, dashed, false);
        for ((level, rate), (x, y)) in rates.iter().zip(inside) {
            drawing.dot(x, y, colour);
            if *rate > most {
                let words = format!("{} ↑", number(*rate));
                drawing.name(x - 16.0, y - 6.0, colour, &words);
            } else if Some(level) == levels.last() {
                drawing.name(x + 8.0, y + 4.0, colour, &number(*rate));
            }
        }
    }
    legend(&mut drawing, figures, &ways, bottom + 62.0);
    drawing.finish()
}

/// A name, the number of its colour, and what it is of the CPU time.
type Share = (&'static str, usize, fn(&Cpu) -> f64);

const SHARES: [Share; 3] = [
    ("engine and runtime", 1, |cpu| cpu.engine_ms),
    ("counted in the container", 3, |cpu| cpu.container_ms),
    ("worker, or the docker program", 5, |cpu| cpu.driver_ms),
];

/// What a job costs in CPU time, and whose it is.
fn cpu(figures: &Figures) -> String {
    let all: Vec<(&str, Cpu)> = figures
        .throughput
        .iter()
        .filter(|it| it.workload == PYTHON && it.at_a_time == COMPARED_AT)
        .filter_map(|it| Some((it.way.as_str(), it.cpu?)))
        .collect();
    let (top, row, left) = (46.0, 36.0, 210.0);
    let bottom = top + row * all.len() as f64;
    let mut drawing = Drawing::new(bottom + 64.0, "CPU time of a job, each way, and whose it is");
    drawing.title(LEFT, top - 20.0, &format!("{PYTHON}: CPU-ms a job, {COMPARED_AT} at a time"));
    let most = round_up(all.iter().map(|(_, cpu)| cpu.total_ms()).fold(1.0, f64::max) * 1.1);
    let scale = (WIDTH - left - RIGHT - 50.0) / most;
    for part in 0..=4 {
        let value = most * f64::from(part) / 4.0;
        drawing.grid((left + value * scale, top), (left + value * scale, bottom));
        drawing.text(left + value * scale, bottom + 18.0, "middle", &format!("{value} ms"));
    }
    for (index, (way, cpu)) in all.iter().enumerate() {
        let y = top + row * index as f64;
        drawing.text(left - 10.0, y + 22.0, "end", way);
        let mut x = left;
        for (_, colour, share) in SHARES {
            let width = share(cpu).max(0.0) * scale;
            drawing.bar(x, y + 6.0, width, row - 12.0, colour);
            x += width;
        }
        drawing.text(x + 6.0, y + 22.0, "start", &number(cpu.total_ms()));
    }
    for (index, (name, colour, _)) in SHARES.iter().enumerate() {
        let x = LEFT + index as f64 * 250.0;
        drawing.bar(x, bottom + 36.0, 12.0, 12.0, *colour);
        drawing.name(x + 20.0, bottom + 47.0, *colour, name);
    }
    drawing.finish()
}
