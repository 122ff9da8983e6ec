//! A schedule as a picture: a column for each task, time downwards.

use core::fmt::Write as _;

use crate::svg::escape;

const COLUMN: f64 = 330.0;
const GAP: f64 = 26.0;
const MARGIN: f64 = 24.0;
const TOP: f64 = 92.0;
const LINE: f64 = 15.0;
const PAD: f64 = 6.0;
const STEP: f64 = 7.0;
/// Characters of a line in a box.
const LETTERS: usize = 44;

const STYLE: &str = "text{font:12px 'DejaVu Sans',Verdana,sans-serif;fill:#1f2933}\
.title{font-size:15px;font-weight:bold}.small{font-size:11px;fill:#52606d}\
.task{font-size:13px;font-weight:bold}.life{stroke:#cbd2d9;stroke-width:1}\
.cell{fill:#eaf2f8;stroke:#3e7cb1}.fault{fill:#f8d7d3;stroke:#b42318;stroke-width:1.5}\
.bad{fill:#b42318;font-weight:bold}.switch{stroke:#52606d;fill:none;stroke-width:1.2}";

/// A schedule, to be drawn.
#[derive(Clone, Debug)]
pub struct Swimlanes<'a> {
    /// What it is a picture of.
    pub title: &'a str,
    /// How it was come by.
    pub subtitle: &'a str,
    /// What the tasks are called.
    pub columns: &'a [String],
    /// What they did, in order.
    pub cells: Vec<Lane<'a>>,
}

/// One thing that a task did.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a> {
    /// The column; none if it was no task's.
    pub column: Option<usize>,
    /// What happened.
    pub text: &'a str,
    /// Whether it must not happen.
    pub is_fault: bool,
}

impl Swimlanes<'_> {
    /// The picture: what one task does without another between is one box, and an arrow
    /// leads from box to box where another task goes on.
    pub fn to_svg(&self) -> String {
        let columns = self.columns.len().max(1);
        let width = 2.0 * MARGIN + columns as f64 * (COLUMN + GAP) - GAP;
        let mut body = String::new();
        let mut y = TOP;
        // Where the last box ended.
        let mut from: Option<(f64, f64)> = None;
        let runs = self
            .cells
            .chunk_by(|a, b| a.column == b.column && a.is_fault == b.is_fault);
        for run in runs {
            let lines: Vec<String> = run
                .iter()
                .flat_map(|cell| wrapped(cell.text, LETTERS))
                .collect();
            let height = 2.0 * PAD + LINE * lines.len() as f64;
            let column = run[0].column.unwrap_or_default();
            let x = MARGIN + column as f64 * (COLUMN + GAP);
            let class = if run[0].is_fault { "fault" } else { "cell" };
            let middle = x + COLUMN / 2.0;
            if let Some((from_x, from_y)) = from
                && from_x != middle
            {
                let half = (from_y + y) / 2.0;
                let _ = writeln!(
                    body,
                    "<path class=\"switch\" marker-end=\"url(#to)\" d=\"M{from_x:.0} {from_y:.1}V{half:.1}H{middle:.0}V{:.1}\"/>",
                    y - 1.0
                );
            }
            let _ = writeln!(
                body,
                "<rect class=\"{class}\" x=\"{x:.0}\" y=\"{y:.1}\" width=\"{COLUMN:.0}\" height=\"{height:.1}\" rx=\"4\"/>"
            );
            let text = if run[0].is_fault {
                " class=\"bad\""
            } else {
                ""
            };
            for (index, line) in lines.iter().enumerate() {
                let baseline = y + PAD + LINE * (index as f64 + 1.0) - 4.0;
                let _ = writeln!(
                    body,
                    "<text{text} x=\"{:.0}\" y=\"{baseline:.1}\">{}</text>",
                    x + 8.0,
                    escape(line)
                );
            }
            y += height;
            from = Some((middle, y));
            y += STEP * 2.0;
        }
        let height = y + MARGIN;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>lastfd: {title}</title>\n\
             <style>{STYLE}</style>\n<defs><marker id=\"to\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
             markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" \
             fill=\"#52606d\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"28\">{title}</text>\n\
             <text class=\"small\" x=\"{MARGIN}\" y=\"48\">{subtitle}</text>\n",
            title = escape(self.title),
            subtitle = escape(self.subtitle),
        );
        for (index, name) in self.columns.iter().enumerate() {
            let middle = MARGIN + index as f64 * (COLUMN + GAP) + COLUMN / 2.0;
            let _ = writeln!(
                svg,
                "<text class=\"task\" text-anchor=\"middle\" x=\"{middle:.0}\" y=\"76\">{}</text>\n\
                 <line class=\"life\" x1=\"{middle:.0}\" y1=\"84\" x2=\"{middle:.0}\" y2=\"{:.0}\"/>",
                escape(name),
                y
            );
        }
        svg.push_str(&body);
        svg.push_str("</svg>\n");
        svg
    }
}

/// The text in lines of at most so many characters, broken between words where it can be.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(core::mem::take(&mut line));
            line.push_str("   ");
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
