//! Percentiles and what is made of them.

/// The value below which `percent` of the values lie, between two values by their distance; `None` of nothing.
pub(crate) fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let sorted = sorted(values);
    let last = sorted.len().checked_sub(1)?;
    let at = percent.clamp(0.0, 100.0) / 100.0 * last as f64;
    let below = at.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    Some(low + (high - low) * (at - at.floor()))
}

pub(crate) fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// How far apart the 5th and the 95th percentile are, in percent of the median.
pub(crate) fn spread_percent(values: &[f64]) -> Option<f64> {
    let middle = median(values).filter(|middle| *middle > 0.0)?;
    Some((percentile(values, 95.0)? - percentile(values, 5.0)?) / middle * 100.0)
}

/// The points of the empirical distribution: each value with the share of values that are not above it.
pub(crate) fn distribution(values: &[f64]) -> Vec<(f64, f64)> {
    let sorted = sorted(values);
    let count = sorted.len() as f64;
    sorted.into_iter().enumerate().map(|(index, value)| (value, (index + 1) as f64 / count)).collect()
}

/// What one more costs, from the medians of two sizes.
pub(crate) fn slope(small: (usize, &[f64]), large: (usize, &[f64])) -> Option<f64> {
    let more = large.0.checked_sub(small.0).filter(|more| *more > 0)?;
    Some((median(large.1)? - median(small.1)?) / more as f64)
}

/// Without what is no number, which would have no place in an order.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}
