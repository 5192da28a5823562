//! The least of a drawing: lines, boxes and words, readable on light and dark pages and without fonts of its own.

use std::fmt::Write as _;

pub(crate) const WIDTH: f64 = 860.0;

/// Colours by their order, for light pages and for dark ones; each pair can be told apart by people who don't see all colours
/// (Okabe and Ito's, darker and lighter).
const COLOURS: [(&str, &str); 6] = [
    ("#555555", "#b0b0b0"),
    ("#b34700", "#ff9a4d"),
    ("#8a5a9e", "#cc8fe0"),
    ("#0060a0", "#5cb3f0"),
    ("#00785a", "#2fd0a4"),
    ("#9a7d00", "#f0d040"),
];

#[derive(Debug)]
pub(crate) struct Drawing {
    body: String,
    height: f64,
    label: String,
}

impl Drawing {
    /// `label` is what it shows, for whoever can't see it.
    pub(crate) fn new(height: f64, label: &str) -> Drawing {
        Drawing { body: String::new(), height, label: escaped(label) }
    }

    pub(crate) fn title(&mut self, x: f64, y: f64, words: &str) {
        let _ = writeln!(self.body, "<text class=\"title\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(words));
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, anchor: &str, words: &str) {
        let _ =
            writeln!(self.body, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(words));
    }

    /// Words in a line's colour.
    pub(crate) fn name(&mut self, x: f64, y: f64, colour: usize, words: &str) {
        let colour = colour % COLOURS.len();
        let _ = writeln!(self.body, "<text class=\"w{colour}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(words));
    }

    pub(crate) fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        let _ =
            writeln!(self.body, "<path class=\"grid\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>", from.0, from.1, to.0, to.1);
    }

    /// A line through points; `steps` keeps a value until the next one.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], colour: usize, dashed: bool, steps: bool) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = match (index, steps) {
                (0, _) => write!(path, "M{x:.1} {y:.1}"),
                (_, true) => write!(path, "H{x:.1}V{y:.1}"),
                (_, false) => write!(path, "L{x:.1} {y:.1}"),
            };
        }
        let dash = if dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let _ = writeln!(self.body, "<path class=\"l{}\" d=\"{path}\"{dash}/>", colour % COLOURS.len());
    }

    pub(crate) fn dot(&mut self, x: f64, y: f64, colour: usize) {
        let _ =
            writeln!(self.body, "<circle class=\"b{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>", colour % COLOURS.len());
    }

    pub(crate) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, colour: usize) {
        let _ = writeln!(
            self.body,
            "<rect class=\"b{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
            colour % COLOURS.len(),
            width.max(0.0)
        );
    }

    pub(crate) fn finish(self) -> String {
        let rules = |pick: fn(&(&'static str, &'static str)) -> &'static str| {
            let mut rules = String::new();
            for (index, pair) in COLOURS.iter().enumerate() {
                let colour = pick(pair);
                let _ = write!(rules, ".l{index}{{stroke:{colour}}}.b{index},.w{index}{{fill:{colour}}}");
            }
            rules
        };
        let (light, dark, height) = (rules(|pair| pair.0), rules(|pair| pair.1), self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<style>\n\
             path{{fill:none;stroke-width:2}}.page{{fill:#fff}}text{{fill:#333}}.title{{font-weight:bold}}.grid{{stroke:#ddd;stroke-width:1}}\n{light}\n\
             @media (prefers-color-scheme: dark){{.page{{fill:#14181d}}text{{fill:#ccc}}.grid{{stroke:#3a4048}}{dark}}}\n</style>\n\
             <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n",
            label = self.label,
            body = self.body
        )
    }
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// The first round number that isn't below: 1, 2, 2.5 or 5 times a power of ten.
pub(crate) fn round_up(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].map(|times| times * power).into_iter().find(|it| *it >= least).unwrap_or(10.0 * power)
}
