//! Stretches of time as a line of box-drawing characters, exact to half a column.

use super::tree::Interval;

/// Draws `intervals`, of which none overlap, into `columns` that stand for the time from 0 to `window`.
///
/// A column of which several stretches together fill less than three quarters is dashed.
pub(super) fn draw(intervals: &[Interval], window: u64, columns: usize) -> String {
    if window == 0 {
        return String::new();
    }
    let mut halves = vec![false; columns * 2];
    // In units of a `columns`-th of a nanosecond a column is `window` long, and nothing is rounded.
    let (unit, length) = (columns as u128, u128::from(window));
    let mut filled = vec![0; columns];
    for &(start, end) in intervals {
        // What is too short to be drawn is drawn as the least there is.
        let first = nearest(start, window, halves.len()).min(halves.len().saturating_sub(1));
        let last = nearest(end, window, halves.len()).max(first + 1);
        halves.iter_mut().take(last).skip(first).for_each(|half| *half = true);
        let (start, end) = (u128::from(start) * unit, u128::from(end) * unit);
        for (column, filled) in filled.iter_mut().enumerate().take(last.div_ceil(2) + 1).skip(first / 2) {
            let left = column as u128 * length;
            *filled += end.min(left + length).saturating_sub(start.max(left));
        }
    }
    let column = |(halves, filled): (&[bool], u128)| match halves {
        [true, true] if intervals.len() > 1 && filled * 4 < length * 3 => '╍',
        [true, true] => '━',
        [true, false] => '╸',
        [false, true] => '╺',
        _ => ' ',
    };
    let drawn: String = halves.chunks(2).zip(filled).map(column).collect();
    drawn.trim_end_matches(' ').to_owned()
}

fn nearest(time: u64, window: u64, steps: usize) -> usize {
    let scaled = (u128::from(time) * steps as u128 + u128::from(window) / 2) / u128::from(window);
    usize::try_from(scaled).unwrap_or(steps).min(steps)
}
