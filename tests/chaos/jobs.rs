//! The mix of jobs: most are good, some don't compile, some attack.

use serde::Serialize;
use serde_json::{Value, json};

use crate::support::chance::Chance;
use crate::support::jobs::{bash, c, full, job, python, test};

/// A kind of job. All jobs of a kind have the same verdict; only their numbers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Kind {
    SumInBash,
    SumInPython,
    SumInC,
    SumInJavaScript,
    DoesNotCompile,
    ForkBomb,
    MemoryHog,
    OutputFlood,
    Sleeper,
    /// Its own files fill its memory, before any program of it runs.
    Full,
}

pub(crate) const KINDS: [Kind; 10] = [
    Kind::SumInBash,
    Kind::SumInPython,
    Kind::SumInC,
    Kind::SumInJavaScript,
    Kind::DoesNotCompile,
    Kind::ForkBomb,
    Kind::MemoryHog,
    Kind::OutputFlood,
    Kind::Sleeper,
    Kind::Full,
];

impl Kind {
    /// 65 % good, 10 % that don't compile, 5 % of each attack.
    pub(crate) fn draw(chance: &mut Chance) -> Kind {
        match chance.below(100) {
            0..25 => Kind::SumInBash,
            25..45 => Kind::SumInPython,
            45..57 => Kind::SumInC,
            57..65 => Kind::SumInJavaScript,
            65..75 => Kind::DoesNotCompile,
            75..80 => Kind::ForkBomb,
            80..85 => Kind::MemoryHog,
            85..90 => Kind::OutputFlood,
            90..95 => Kind::Sleeper,
            _ => Kind::Full,
        }
    }

    /// What a result of it says, whatever goes wrong around it. The limits leave no doubt, also on a busy machine.
    pub(crate) fn verdict(self) -> &'static str {
        match self {
            Kind::SumInBash | Kind::SumInPython | Kind::SumInC | Kind::SumInJavaScript => "accepted",
            Kind::DoesNotCompile => "compile_error",
            Kind::ForkBomb | Kind::Sleeper => "time_limit",
            Kind::MemoryHog | Kind::Full => "memory_limit",
            Kind::OutputFlood => "output_limit",
        }
    }

    /// Whether it means no harm.
    pub(crate) fn is_honest(self) -> bool {
        ["accepted", "compile_error"].contains(&self.verdict())
    }

    pub(crate) fn job(self, chance: &mut Chance) -> Value {
        let (a, b) = (chance.below(100_000), chance.below(100_000));
        let patient = json!({ "cpu_time_ms": 10_000, "wall_time_ms": 60_000 });
        let sum = json!({
            "tests": [test("1", &format!("{a} {b}\n"), &format!("{}\n", a + b)), test("2", "1 2\n", "3\n")],
            "limits": patient,
            "compile_limits": patient,
        });
        match self {
            Kind::SumInBash => bash("read -r a b; echo $((a + b))", sum),
            Kind::SumInPython => python("print(sum(map(int, input().split())))", sum),
            Kind::SumInC => {
                let source = "#include <stdio.h>\nint main(void) { long a, b; return scanf(\"%ld %ld\", &a, &b) == 2 \
                              ? printf(\"%ld\\n\", a + b) < 0 : 1; }";
                c(source, sum)
            }
            Kind::SumInJavaScript => {
                let source = "const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ').map(Number);\n\
                              console.log(a + b);";
                job("javascript", "main.js", source, sum)
            }
            Kind::DoesNotCompile => c("int main(void) { return missing; }", json!({ "compile_limits": patient })),
            Kind::ForkBomb => bash(
                "bomb() { bomb | bomb & }\nmkfifo never\nbomb 2>/dev/null\nread -r _ <>never",
                json!({ "limits": { "cpu_time_ms": 300, "wall_time_ms": 1_000, "processes": 16 } }),
            ),
            Kind::MemoryHog => python(
                "x = bytearray(300 << 20)",
                json!({ "limits": { "memory_bytes": 64 << 20, "cpu_time_ms": 10_000, "wall_time_ms": 60_000 } }),
            ),
            Kind::OutputFlood => bash(
                "yes",
                json!({ "limits": { "output_bytes": 10_000, "cpu_time_ms": 10_000, "wall_time_ms": 60_000 } }),
            ),
            Kind::Full => full(json!({})),
            Kind::Sleeper => bash("sleep 1000", json!({ "limits": { "wall_time_ms": 300 } })),
        }
    }
}
