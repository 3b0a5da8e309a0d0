//! Slope and significance that outliers and odd distributions do not disturb.
//!
//! - Slope: Theil (1950) and Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968): the
//!   median of the slopes of all pairs of points. Its 95 % interval: the slopes of rank (N - C) / 2 and (N + C) / 2 + 1
//!   of N, C = 1.96 sqrt(Var S).
//! - Significance: Mann (1945) and Kendall (1975): S is the number of pairs that rise minus the number that fall;
//!   Var S = (n (n - 1) (2n + 5) - sum over ties t (t - 1) (2t + 5)) / 18; Z = (S -+ 1) / sqrt(Var S) is near normal.
//!
//! Both take points to be independent. Neighbouring collections are not, which makes intervals too narrow and p-values
//! too small; the verdict therefore never rests on them alone.

use super::Slope;

/// The normal quantile of a 95 % interval.
const Z_95: f64 = 1.959_964;

/// Slope, interval and p-value of `y` over `x`. `None` for fewer than three points, or when `x` never changes.
///
/// Takes time and memory with the square of the points.
pub(super) fn trend(x: &[f64], y: &[f64]) -> Option<(Slope, f64)> {
    let points: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
    if points.len() < 3 {
        return None;
    }
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    let mut s = 0.0_f64;
    for (index, (x1, y1)) in points.iter().enumerate() {
        for (x2, y2) in points.iter().skip(index + 1) {
            s += match y2.total_cmp(y1) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Less => -1.0,
                std::cmp::Ordering::Equal => 0.0,
            };
            if x2 > x1 {
                slopes.push((y2 - y1) / (x2 - x1));
            }
        }
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let estimate = median_sorted(&slopes)?;
    let variance = variance(y);
    let spread = Z_95 * variance.sqrt();
    let pairs = slopes.len() as f64;
    let rank = |rank: f64| {
        let last = slopes.len().saturating_sub(1);
        slopes.get((rank.max(0.0) as usize).min(last)).copied()
    };
    let low = rank(((pairs - spread) / 2.0).floor() - 1.0)?;
    let high = rank(((pairs + spread) / 2.0).ceil())?;
    let z = if variance > 0.0 {
        (s - s.signum()) / variance.sqrt()
    } else {
        0.0
    };
    let p_value = if s == 0.0 { 1.0 } else { two_sided(z) };
    Some((
        Slope {
            estimate,
            low,
            high,
        },
        p_value,
    ))
}

/// Var S with its correction for ties.
fn variance(y: &[f64]) -> f64 {
    let mut sorted = y.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let term = |count: usize| {
        let n = count as f64;
        n * (n - 1.0) * (2.0 * n + 5.0)
    };
    let ties: f64 = sorted
        .chunk_by(|a, b| a == b)
        .map(|tied| term(tied.len()))
        .sum();
    ((term(y.len()) - ties) / 18.0).max(0.0)
}

/// The middle of the values; `None` of none.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    median_sorted(&sorted)
}

fn median_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    let lower = sorted.get((sorted.len() / 2).checked_sub(1)?)?;
    Some(f64::midpoint(*lower, *upper))
}

/// How likely a standard normal value is at least as far from 0 as `z`: erfc(|z| / sqrt 2) by formula 7.1.26 of
/// Abramowitz and Stegun, whose error is at most 1.5e-7.
fn two_sided(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let factors = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let polynomial = factors.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    (polynomial * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64) {
        let near = (found - expected).abs() <= 1e-4 * expected.abs().max(1e-3);
        assert!(near, "{found} is not {expected}");
    }

    #[test]
    fn a_line_with_an_outlier_keeps_its_slope() {
        let x: Vec<f64> = (0..21).map(f64::from).collect();
        let mut y: Vec<f64> = x.iter().map(|x| 3.0 + 2.0 * x).collect();
        y[10] = 1000.0;
        let (slope, p_value) = trend(&x, &y).expect("enough points");
        close(slope.estimate, 2.0);
        assert!(slope.low <= 2.0 && slope.high >= 2.0 && slope.low > 1.0 && slope.high < 3.0);
        assert!(p_value < 1e-6, "{p_value}");
    }

    /// S = 21 - 24 ... worked out by hand: pairs that rise 6, that fall 3, one tie; Var S = (5*4*15 - 2*1*9) / 18.
    #[test]
    fn significance_is_that_of_mann_and_kendall_with_ties() {
        let y = [1.0, 3.0, 2.0, 2.0, 5.0];
        close(variance(&y), (300.0 - 18.0) / 18.0);
        let (_, p_value) = trend(&[0.0, 1.0, 2.0, 3.0, 4.0], &y).expect("enough points");
        // S = 7 - 2 = 5, Z = 4 / sqrt(15.667) = 1.0106.
        close(p_value, 0.3122);
    }

    #[test]
    fn the_normal_tail_is_that_of_the_tables() {
        close(two_sided(1.959_964), 0.05);
        close(two_sided(2.575_829), 0.01);
        close(two_sided(0.0), 1.0);
    }

    #[test]
    fn nothing_is_said_of_too_little() {
        assert!(trend(&[1.0, 2.0], &[1.0, 2.0]).is_none());
        assert!(trend(&[1.0; 9], &[1.0; 9]).is_none());
        let (slope, p_value) = trend(&[1.0, 2.0, 3.0], &[4.0; 3]).expect("enough points");
        assert_eq!((slope.estimate, p_value), (0.0, 1.0));
    }
}
