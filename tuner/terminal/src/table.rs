//! Tables of text.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A plain table of strings; columns of numbers stand to the right.
pub fn render(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
    };
    let right: Vec<bool> = (0..header.len()).map(numeric).collect();
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for (column, _) in table
        .column_iter_mut()
        .zip(right)
        .filter(|(_, right)| *right)
    {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
