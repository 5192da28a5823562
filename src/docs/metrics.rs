//! docs/metrics.md, from the table of metrics.

use super::{GENERATED, code, table};
use crate::metrics::{Kind, Row, TABLE};

const HEAD: &str = r#"
A worker counts and measures what it does. The numbers can be fetched by Prometheus or anything that reads its text
format, or sent to CloudWatch; both have the same metrics, by the table below.

## Fetched

With [`http.listen`](configuration.md) a worker answers three paths, without encryption and for whoever can reach the port:

| path | what it says |
| --- | --- |
| `/metrics` | All metrics, in the Prometheus text format, or in OpenMetrics for whoever asks for that. |
| `/healthz` | 200 while the worker does its work, else 503 with what is wrong. It fails when the incoming queue has not answered for the long poll's length and 40 s more, while there was reason to ask it; or when the process gets to nothing any more. Restart such a worker. |
| `/readyz` | 200 while the worker takes jobs, else 503. Either way each condition with whether it holds, since when, and why not: `intake` (it has started and doesn't stop), `engine`, `images`, `disk`, `queue`, `outgoing`, `deletions`, `store`. |

A worker that drains, or whose engine fails, is not ready but alive: let it be. Only GET and HEAD are answered, one request
a connection and sixteen connections at a time; the others are closed. It all runs on a thread of its own, so that it
answers when the worker is stuck.

```yaml
scrape_configs:
  - job_name: caisson
    static_configs:
      - targets: ["127.0.0.1:9464"]
```

## Sent to CloudWatch

With `metrics.cloudwatch = true` a worker writes a line of JSON to stdout each minute, and one more when it ends. It is
CloudWatch's embedded metric format: where stdout goes to CloudWatch Logs, the metrics appear by themselves, in the
namespace of `metrics.cloudwatch_namespace`. Such a line has

- for a counter, how much it grew since the last line, so `Sum` is the fleet's;
- for a gauge, what it is, so `Sum`, `Maximum` or, for a share, `Average` over a minute is the fleet's;
- for a histogram, the last hundred measurements at most, so percentiles work.

The names are those of the table without `caisson_`. Where there is a label, each of its values has a metric of its own,
such as `jobs_total.accepted`; for counters the name alone is their sum. There are no dimensions. Which worker wrote a line
stands in its field `worker`, for queries over the log.

## Questions and answers

| question | answer, in PromQL |
| --- | --- |
| Jobs a second | `sum(rate(caisson_jobs_total[5m]))` |
| How long do jobs wait? | `histogram_quantile(0.95, sum by (le) (rate(caisson_job_stage_seconds_bucket{stage="queue"}[5m])))` |
| How busy is the fleet? | `avg(caisson_utilisation)` |
| What of it can't take jobs? | `avg(caisson_held_up)` |
| Requests to the queues a job | `sum(rate(caisson_queue_requests_total[1h])) / sum(rate(caisson_jobs_total[1h]))` |
| Do we fail? | `sum by (reason) (rate(caisson_jobs_given_back_total{reason!="stopping"}[5m]))` |

"#;

/// The reference of all metrics.
pub fn metrics() -> String {
    let mut page = format!("# Metrics\n\n{GENERATED}\n{HEAD}## All metrics\n\n");
    page.push_str(&table(&["metric", "type", "unit", "label", "meaning", "what to do"], TABLE.iter().map(line)));
    page.push_str("## Buckets\n\nThe upper ends of the histograms' buckets; a last one takes the rest.\n\n");
    let histograms = TABLE.iter().filter_map(|row| match row.kind {
        Kind::Histogram(ends) => Some((row, ends)),
        Kind::Counter | Kind::Gauge => None,
    });
    page.push_str(&table(
        &["metric", "buckets"],
        histograms.map(|(row, ends)| {
            vec![code(row.name), ends.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")]
        }),
    ));
    format!("{}\n", page.trim_end())
}

fn line(row: &Row) -> Vec<String> {
    let label = row.label.map_or_else(String::new, |label| {
        let values = (label.values)();
        // The version of the day would make the page old with each release.
        if values.is_empty() || label.name == "version" {
            return code(label.name);
        }
        format!("{}: {}", code(label.name), values.join(", "))
    });
    vec![
        code(row.name),
        row.kind.as_str().to_owned(),
        row.unit.as_str().to_lowercase(),
        label,
        row.meaning.to_owned(),
        row.action.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::PREFIX;

    #[test]
    fn every_metric_is_there_with_its_meaning_and_every_name_that_is_used_is_a_metric() {
        let page = metrics();
        for row in &TABLE {
            assert!(page.contains(&format!("| {} |", code(row.name))), "{} is missing", row.name);
            assert!(page.contains(row.meaning) && page.contains(row.action), "{} is not explained", row.name);
        }
        let letters = |it: char| it.is_ascii_lowercase() || it == '_';
        for (at, _) in page.match_indices(PREFIX) {
            let name: String = page[at..].chars().take_while(|it| letters(*it)).collect();
            let name = name.trim_end_matches("_bucket");
            assert!(name == PREFIX || TABLE.iter().any(|row| row.name == name), "there is no {name}");
        }
    }
}
