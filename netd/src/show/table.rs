//! Rows as a table: columns as wide as their widest cell, two spaces between.

use netd_model::name::NetworkName;

/// A line of a table.
pub(crate) trait Row {
    /// The words above the columns.
    const HEAD: &'static [&'static str];

    /// What it is of.
    fn network(&self) -> &NetworkName;

    /// One cell per column.
    fn cells(&self) -> Vec<String>;
}

/// The rows of one network, or all.
pub(crate) fn of_network<R: Row>(mut rows: Vec<R>, network: Option<&NetworkName>) -> Vec<R> {
    rows.retain(|row| network.is_none_or(|network| row.network() == network));
    rows
}

/// The table with its head; an empty cell is a dash, so that columns can be counted.
pub(crate) fn table<R: Row>(rows: &[R]) -> String {
    let head = R::HEAD.iter().map(|&word| word.to_owned()).collect();
    let dash = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
    let body = rows.iter().map(|row| row.cells().into_iter().map(dash).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..R::HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
    lines.iter().map(|line| written(line, &widths) + "\n").collect()
}

fn written(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, &width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
