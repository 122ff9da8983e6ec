//! The timeline as an SVG picture.

use core::fmt::Write as _;

use crate::Report;
use crate::layout::{Lane, LaneKind, Layout};

const LEFT: f64 = 190.0;
const RIGHT: f64 = 76.0;
const TOP: f64 = 104.0;
const ROW: f64 = 34.0;
const BAR: f64 = 14.0;
const BOTTOM: f64 = 74.0;
const NARROWEST: f64 = 760.0;

const STYLE: &str = "text{font:12px 'DejaVu Sans',Verdana,sans-serif;fill:#1f2933}\
.title{font-size:15px;font-weight:bold}.small{font-size:10.5px;fill:#52606d}\
.mark{font-size:11px;fill:#b42318;font-weight:bold}.err{font-size:10px;fill:#b42318}\
.device{fill:#3e7cb1}.file{fill:#4c9f70}.program{fill:#8d7bb5}\
.gone{fill:url(#gone)}.grid{stroke:#e4e7eb}.axis{stroke:#9aa5b1}\
.cut{stroke:#b42318;stroke-width:1.5;stroke-dasharray:5 3}\
.sleep{fill:#f4c95d}.call{stroke:#12402a;stroke-opacity:.55}.fail{stroke:#b42318;stroke-width:2}\
.end{fill:#fff;stroke:#1f2933;stroke-width:1.5}.splat{fill:#b42318}";

pub(crate) fn timeline(report: &Report) -> String {
    let layout = Layout::of(report.events());
    let width = LEFT + layout.width.max(NARROWEST - LEFT - RIGHT) + RIGHT;
    let floor = TOP + ROW * layout.lanes.len() as f64;
    let height = floor + BOTTOM;
    let mut svg = String::new();
    push(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n\
             <title>lastfd: {}</title>\n<style>{STYLE}</style>\n\
             <defs><pattern id=\"gone\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#f8d7d3\"/>\
             <rect width=\"2\" height=\"6\" fill=\"#d9776c\"/></pattern></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
            escape(&report.verdict().summary()),
        ),
    );
    text(
        &mut svg,
        16.0,
        26.0,
        "title",
        &format!("verdict: {}", report.verdict().summary()),
    );
    text(&mut svg, 16.0, 44.0, "small", &about(report));
    axis(&mut svg, &layout, floor, width);
    for (row, lane) in layout.lanes.iter().enumerate() {
        draw_lane(&mut svg, lane, TOP + ROW * row as f64, width);
    }
    removals(&mut svg, &layout, floor);
    legend(&mut svg, floor + 46.0);
    svg.push_str("</svg>\n");
    svg
}

/// The line below the title.
fn about(report: &Report) -> String {
    let mut parts = vec![format!("rules {}", report.rules())];
    for (program, ending) in &report.verdict().programs {
        parts.push(format!("{program}: {ending}"));
    }
    parts.push(format!("{} events", report.events().len()));
    parts.join("  ·  ")
}

fn axis(svg: &mut String, layout: &Layout, floor: f64, width: f64) {
    for row in 0..=layout.lanes.len() {
        let y = TOP + ROW * row as f64 - 6.0;
        let class = "grid";
        line(svg, (16.0, y), (width - 16.0, y), class);
    }
    let y = floor + 6.0;
    line(svg, (LEFT, y), (width - RIGHT, y), "axis");
    for tick in &layout.ticks {
        let x = LEFT + tick.x;
        line(svg, (x, y), (x, y + 5.0), "axis");
        let ms = tick.nanoseconds as f64 / 1e6;
        text(svg, x + 2.0, y + 16.0, "small", &format!("{ms:.3} ms"));
    }
}

fn draw_lane(svg: &mut String, lane: &Lane, y: f64, width: f64) {
    let class = match lane.kind {
        LaneKind::Device => "device",
        LaneKind::File => "file",
        LaneKind::Program => "program",
    };
    text(svg, 16.0, y + BAR - 2.0, "", &shortened(&lane.label, 26));
    if let Some((from, to)) = lane.alive {
        bar(svg, (from, to), y, BAR, class, &lane.label);
    }
    if let Some((from, to)) = lane.held {
        bar(svg, (from, to), y, BAR, "gone", "gone, still held");
    }
    for &span in &lane.sleeps {
        bar(svg, span, y + BAR, 4.0, "sleep", "asleep");
    }
    draw_calls(svg, lane, y, width);
    if let Some(x) = lane.end {
        let (x, y) = (LEFT + x, y + BAR / 2.0);
        push(
            svg,
            format_args!(
                "<path class=\"end\" d=\"M{:.1} {y:.1}l5 -5l5 5l-5 5z\"><title>{}</title></path>\n",
                x - 5.0,
                match lane.kind {
                    LaneKind::Device => "released",
                    LaneKind::File => "last close",
                    LaneKind::Program => "ended",
                }
            ),
        );
    }
    for (x, what) in &lane.findings {
        push(
            svg,
            format_args!(
                "<circle class=\"splat\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"><title>{}</title></circle>\n",
                LEFT + x,
                y + BAR / 2.0,
                escape(what)
            ),
        );
    }
}

fn draw_calls(svg: &mut String, lane: &Lane, y: f64, width: f64) {
    let mut text_until = 0.0;
    for (x, op, error) in &lane.calls {
        let class = if error.is_some() { "fail" } else { "call" };
        let what = match error {
            Some(errno) => format!("{op} = -{errno}"),
            None => op.to_string(),
        };
        let x = LEFT + x;
        push(
            svg,
            format_args!(
                "<path class=\"{class}\" d=\"M{x:.1} {y:.1}v{BAR}\"><title>{}</title></path>\n",
                escape(&what)
            ),
        );
        if let Some(errno) = error {
            let label = format!("{op}: {errno}");
            let length = 6.4 * label.len() as f64;
            // Near the right edge it stands further left, if there is room.
            let at = (x - 2.0).min(width - length - 8.0);
            if at >= text_until {
                text(svg, at, y + BAR + 11.0, "err", &label);
                text_until = at + length;
            }
        }
    }
}

fn removals(svg: &mut String, layout: &Layout, floor: f64) {
    // Labels that would run into each other go one line down.
    let mut ends = [f64::MIN; 3];
    for mark in &layout.removals {
        let x = LEFT + mark.x;
        let width = 6.8 * mark.text.len() as f64;
        let row = ends.iter().position(|end| *end <= x).unwrap_or(2);
        ends[row] = x + width;
        let y = TOP - 38.0 + 14.0 * row as f64;
        line(svg, (x, y + 3.0), (x, floor + 6.0), "cut");
        text(svg, x + 4.0, y + 4.0, "mark", &mark.text);
    }
}

fn legend(svg: &mut String, y: f64) {
    let entries = [
        ("device", "device"),
        ("file", "open file"),
        ("program", "program"),
        ("gone", "gone, still held"),
        ("sleep", "a call asleep"),
    ];
    let mut x = 16.0;
    for (class, meaning) in entries {
        push(
            svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"18\" height=\"10\"/>\n"
            ),
        );
        text(svg, x + 24.0, y + 9.0, "small", meaning);
        x += 46.0 + 6.2 * meaning.len() as f64;
    }
    push(
        svg,
        format_args!(
            "<path class=\"end\" d=\"M{x} {:.1}l5 -5l5 5l-5 5z\"/>\n",
            y + 5.0
        ),
    );
    text(svg, x + 16.0, y + 9.0, "small", "released, last close, end");
    x += 170.0;
    push(
        svg,
        format_args!("<path class=\"fail\" d=\"M{x} {y}v10\"/>\n"),
    );
    text(svg, x + 8.0, y + 9.0, "small", "a call that failed");
    text(
        svg,
        16.0,
        y + 24.0,
        "small",
        "The axis is in order of time and not to scale: long waits are shortened.",
    );
}

fn bar(svg: &mut String, (from, to): (f64, f64), y: f64, height: f64, class: &str, about: &str) {
    push(
        svg,
        format_args!(
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height}\">\
             <title>{}</title></rect>\n",
            LEFT + from,
            (to - from).max(1.5),
            escape(about)
        ),
    );
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), class: &str) {
    push(
        svg,
        format_args!(
            "<path class=\"{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>\n",
            from.0, from.1, to.0, to.1
        ),
    );
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, what: &str) {
    push(
        svg,
        format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n",
            escape(what)
        ),
    );
}

fn push(svg: &mut String, what: core::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = svg.write_fmt(what);
}

fn shortened(what: &str, most: usize) -> String {
    if what.chars().count() <= most {
        return what.to_owned();
    }
    let tail: Vec<char> = what.chars().rev().take(most - 1).collect();
    tail.into_iter().rev().fold("…".to_owned(), |mut text, c| {
        text.push(c);
        text
    })
}

/// Text as XML has it; characters that XML has no place for become `?`.
pub(crate) fn escape(what: &str) -> String {
    let mut escaped = String::with_capacity(what.len());
    for c in what.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(' '),
            c if c.is_control() => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_picture() {
        assert_eq!(escape("<a & \"b\">\u{1}"), "&lt;a &amp; &quot;b&quot;&gt;?");
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shortened("anon_inode:iio:buffer #12", 10), "…uffer #12");
        assert_eq!(shortened("iio:device0", 26), "iio:device0");
    }
}
