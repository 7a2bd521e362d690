//! The measured rows as an SVG: a small chart each, with bars as long as the times they stand for.
//!
//! Rows differ a thousandfold, and it is peers that are compared: each chart has a scale of its own. Greys and one
//! blue that stand on light and on dark; no script, no style sheet, no background.

use crate::peer;
use crate::report::{Measured, Report};

const WIDTH: u32 = 800;
const COLUMN: u32 = 384;
const HEAD: u32 = 76;
const TITLE: u32 = 24;
const BAR: u32 = 14;
const STEP: u32 = 19;
const GAP: u32 = 20;
/// Where bars begin: the peers' names stand before.
const NAMES: u32 = 68;
/// How long the longest bar is: its number stands behind.
const LONGEST: f64 = 262.0;

const TEXT: &str = "#717a85";
const PEER: &str = "#9aa3ad";
const TRACED: &str = "#2f81f7";

pub fn draw(report: &Report) -> String {
    let mut charts = String::new();
    let mut top = HEAD;
    for pair in report.rows.chunks(2) {
        for (row, left) in pair.iter().zip([0, WIDTH - COLUMN]) {
            charts += &chart(row, left, top);
        }
        let bars = pair.iter().map(|row| row.ns.len()).max().unwrap_or(0);
        top += TITLE + STEP * u32::try_from(bars).unwrap_or(0) + GAP;
    }
    let rounds = report.rounds;
    let lines = [
        "<tspan font-weight=\"600\">Nanoseconds per span on the calling thread</tspan>".to_owned(),
        format!("Less is better; each chart has a scale of its own. One process, medians of {rounds} rounds."),
        "sdk: opentelemetry_sdk alone · tracing: with tracing-opentelemetry · fastrace: without OpenTelemetry's context"
            .to_owned(),
    ];
    let head: String = lines.iter().zip((14..).step_by(19)).map(|(line, y)| text(0, y, line)).collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" width=\"{WIDTH}\" height=\"{top}\" \
         font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"{TEXT}\">\n\
         {head}{charts}</svg>\n"
    )
}

fn chart(row: &Measured, left: u32, top: u32) -> String {
    let scale = LONGEST / row.ns.values().copied().fold(0.0, f64::max);
    let measured = peer::ALL.iter().filter_map(|peer| Some((peer.name, *row.ns.get(peer.name)?)));
    let title = format!("<tspan font-weight=\"600\">{}</tspan> {}", row.row, about(&row.row));
    let bars = measured.zip((top + TITLE..).step_by(STEP as usize));
    text(left, top + 13, &title)
        + &bars.map(|((peer, ns), y)| bar(peer, ns, ns * scale, left, y)).collect::<String>()
}

fn bar(peer: &str, ns: f64, length: f64, left: u32, y: u32) -> String {
    let (fill, weight) = if peer == "traced" { (TRACED, "600") } else { (PEER, "400") };
    let (x, base) = (left + NAMES, y + 11);
    let end = f64::from(x) + length + 6.0;
    let digits = usize::from(ns < 100.0);
    format!(
        "<text x=\"{left}\" y=\"{base}\" font-weight=\"{weight}\">{peer}</text>\n\
         <rect x=\"{x}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{fill}\"/>\n\
         <text x=\"{end:.1}\" y=\"{base}\" font-weight=\"{weight}\">{ns:.digits$}</text>\n"
    )
}

fn text(x: u32, y: u32, text: &str) -> String {
    format!("<text x=\"{x}\" y=\"{y}\">{text}</text>\n")
}

fn about(row: &str) -> &'static str {
    match row {
        "sync" => "nothing captured",
        "leaf" => "calls nothing that reads the context",
        "attrs3" => "an integer, a bool, a static string",
        "string1" => "one formatted string",
        "root" => "a trace of one span",
        "async" => "two polls each",
        "error" => "returns an Err",
        "unsampled" => "under a root that is not sampled",
        "off" => "nothing set up",
        _ => "",
    }
}
