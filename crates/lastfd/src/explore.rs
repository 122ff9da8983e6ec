//! Explorations, and their pictures.

pub use lastfd_explore::*;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/explore.md")]
struct Page;

use lastfd_report::{Lane, Swimlanes};

/// The schedule as an SVG picture, with a column for each task.
pub fn to_svg(title: &str, found: &Found) -> String {
    let subtitle = format!("{} (replay {})", found.fault, found.recipe);
    let cells = found.interleaving.cells.iter().map(|cell| Lane {
        column: cell.column,
        text: &cell.text,
        is_fault: cell.is_fault,
    });
    Swimlanes {
        title,
        subtitle: &subtitle,
        columns: &found.interleaving.columns,
        cells: cells.collect(),
    }
    .to_svg()
}
