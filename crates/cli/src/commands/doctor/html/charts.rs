//! Charts as inline SVG. Each has a title and its values as text, for readers without sight and for paper.

use std::fmt::Write;

use super::escaped;

const WIDTH: f64 = 640.0;
const ROW: f64 = 22.0;
const LABEL: f64 = 200.0;

/// Horizontal bars: name, value, text of the value.
pub(super) fn bars(title: &str, rows: &[(String, f64, String)]) -> String {
    let most = rows.iter().map(|(_, value, _)| *value).fold(0.0, f64::max).max(1.0);
    let height = 24.0 + ROW * count(rows.len());
    let mut svg = open(title, height);
    for (number, (name, value, text)) in rows.iter().enumerate() {
        let y = 22.0 + ROW * count(number);
        let width = ((WIDTH - LABEL - 110.0) * value / most).max(1.0);
        // Writing to a text cannot fail.
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{ty:.1}\">{name}</text><rect class=\"bar\" x=\"{LABEL}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"14\"/><text x=\"{tx:.1}\" y=\"{ty:.1}\">{text}</text>",
            ty = y + 12.0,
            tx = LABEL + width + 6.0,
            name = escaped(&shortened(name)),
            text = escaped(text)
        );
    }
    svg + "</svg>\n"
}

/// A line over time: seconds, value. `labels`: first and last text of both axes.
pub(super) fn line(title: &str, points: &[(f64, f64)], labels: [&str; 4]) -> String {
    let (height, bottom) = (200.0, 160.0);
    let bound = |pick: fn(&(f64, f64)) -> f64| {
        let values = points.iter().map(pick);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let ((left, right), (low, high)) = (bound(|point| point.0), bound(|point| point.1));
    let place = |(x, y): &(f64, f64)| {
        let x = 90.0 + (WIDTH - 100.0) * (x - left) / (right - left).max(1.0);
        let y = bottom - (bottom - 30.0) * (y - low) / (high - low).max(1.0);
        format!("{x:.1},{y:.1}")
    };
    let path = points.iter().map(place).collect::<Vec<_>>().join(" ");
    let [from, to, least, most] = labels.map(escaped);
    let mut svg = open(title, height);
    let _ = write!(
        svg,
        "<polyline class=\"line\" points=\"{path}\"/><text x=\"0\" y=\"34\">{most}</text><text x=\"0\" y=\"{bottom}\">{least}</text>\
         <text x=\"90\" y=\"185\">{from}</text><text x=\"{WIDTH}\" y=\"185\" text-anchor=\"end\">{to}</text>"
    );
    svg + "</svg>\n"
}

/// Marks on a time axis, one row for each name: name, seconds (none for no mark), text.
pub(super) fn timeline(title: &str, rows: &[(String, Option<f64>, String)]) -> String {
    let times = rows.iter().filter_map(|(_, at, _)| *at);
    let (first, last) = times.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
    let mut svg = open(title, 24.0 + ROW * count(rows.len()));
    for (number, (name, at, text)) in rows.iter().enumerate() {
        let y = 34.0 + ROW * count(number);
        let _ = write!(svg, "<text x=\"0\" y=\"{y:.1}\">{}</text>", escaped(&shortened(name)));
        let x = at.map_or(LABEL, |at| LABEL + (WIDTH - LABEL - 230.0) * (at - first) / (last - first).max(1.0));
        if at.is_some() {
            let _ = write!(svg, "<circle class=\"bar\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"5\"/>", y - 4.0);
        }
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 10.0, escaped(text));
    }
    svg + "</svg>\n"
}

fn open(title: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" role=\"img\"><title>{0}</title><text x=\"0\" y=\"14\">{0}</text>",
        escaped(title)
    )
}

#[expect(clippy::cast_precision_loss, reason = "a few rows of a chart")]
fn count(number: usize) -> f64 {
    number as f64
}

fn shortened(name: &str) -> String {
    const LONGEST: usize = 28;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}
