//! A line of points over time, drawn with characters: braille (two by four dots a character), or stars.

/// One plot: points as (x, y), both finite, x ascending.
pub(super) struct Plot<'a> {
    /// What is drawn and in which unit.
    pub(super) title: &'a str,
    pub(super) points: &'a [(f64, f64)],
    /// Names of the first and the last x.
    pub(super) ends: (String, String),
    /// Columns, axis included.
    pub(super) width: usize,
    /// Rows of the drawing.
    pub(super) height: usize,
    pub(super) ascii: bool,
}

/// Bit of a braille character for the dot in a column (0, 1) and row (0 to 3 from the top): Unicode's dot numbering.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Draws from zero (so that a slope is seen for what it is) to the highest point. Empty without two points.
pub(super) fn plot(plot: &Plot<'_>) -> String {
    let (Some(first), Some(last)) = (plot.points.first(), plot.points.last()) else {
        return String::new();
    };
    let highest = plot
        .points
        .iter()
        .fold(0.0_f64, |high, (_, y)| high.max(*y));
    if plot.points.len() < 2 || highest <= 0.0 || last.0 <= first.0 {
        return String::new();
    }
    let labels = [number(highest), number(highest / 2.0), "0".to_owned()];
    let axis = labels.iter().map(String::len).max().unwrap_or(0);
    let columns = plot.width.saturating_sub(axis + 2).max(10);
    let (across, down) = if plot.ascii { (1, 1) } else { (2, 4) };
    let (wide, high) = (columns * across, plot.height * down);
    let mut cells = vec![vec![0_u8; columns]; plot.height];
    for (x, y) in dots(plot.points, wide) {
        let y = high - 1 - scale(y / highest, high);
        let dot = DOTS
            .get(x % across)
            .and_then(|column| column.get(y % down))
            .copied()
            .unwrap_or_default();
        if let Some(cell) = cells
            .get_mut(y / down)
            .and_then(|row| row.get_mut(x / across))
        {
            *cell |= dot;
        }
    }
    let [top, middle, bottom] = labels;
    let bar = if plot.ascii { '|' } else { '│' };
    let mut text = format!("{}\n", plot.title);
    for (index, row) in cells.iter().enumerate() {
        let label = match index {
            0 => &top,
            index if index + 1 == plot.height => &bottom,
            index if index == plot.height / 2 => &middle,
            _ => "",
        };
        let drawn: String = row.iter().map(|cell| glyph(*cell, plot.ascii)).collect();
        text.push_str(&format!("{label:>axis$} {bar}{}", drawn.trim_end()));
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let (start, end) = &plot.ends;
    let room = columns.saturating_sub(start.len());
    text.push_str(&format!("{:axis$}  {start}{end:>room$}\n", ""));
    text
}

/// Every point with its column of dots, and points between so that no column of dots stays empty.
fn dots(points: &[(f64, f64)], wide: usize) -> Vec<(usize, f64)> {
    let (Some((start, _)), Some((end, _))) = (points.first(), points.last()) else {
        return Vec::new();
    };
    let column = |x: f64| scale((x - start) / (end - start), wide);
    let mut dots: Vec<(usize, f64)> = Vec::with_capacity(points.len() + wide);
    for (x, y) in points {
        let to = column(*x);
        if let Some((from, before)) = dots.last().copied() {
            let steps = to.saturating_sub(from);
            for step in 1..steps {
                let part = step as f64 / steps as f64;
                dots.push((from + step, before + (y - before) * part));
            }
        }
        dots.push((to, *y));
    }
    dots
}

/// 0 to 1 onto 0 to `size` - 1.
fn scale(part: f64, size: usize) -> usize {
    let last = size.saturating_sub(1);
    // A cast of a float saturates, and NaN becomes 0.
    ((part.clamp(0.0, 1.0) * last as f64).round() as usize).min(last)
}

fn glyph(dots: u8, ascii: bool) -> char {
    match (dots, ascii) {
        (0, _) => ' ',
        (_, true) => '*',
        (dots, false) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or('*'),
    }
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{:.1}G", value / 1e9),
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.0}k", value / 1e3),
        value if value >= 100.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(f64, f64)], ascii: bool) -> String {
        plot(&Plot {
            title: "live heap, MB",
            points,
            ends: ("0s".to_owned(), "40s".to_owned()),
            width: 17,
            height: 3,
            ascii,
        })
    }

    #[test]
    fn the_highest_point_is_at_the_top_and_zero_at_the_bottom() {
        let points: Vec<(f64, f64)> = (0..=40).map(|x| (f64::from(x), f64::from(x))).collect();
        insta::assert_snapshot!("ramp-ascii", drawn(&points, true));
        insta::assert_snapshot!("ramp-braille", drawn(&points, false));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        for points in [
            &[][..],
            &[(0.0, 1.0)],
            &[(0.0, 0.0), (1.0, 0.0)],
            &[(1.0, 2.0), (1.0, 3.0)],
        ] {
            assert_eq!(drawn(points, false), "");
        }
    }
}
