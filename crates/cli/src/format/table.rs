//! Columns lined up: each as wide as its widest cell and three blanks, and at least ten.

/// Blanks between two columns.
const GAP: usize = 3;
/// The least width of a column with its gap.
const LEAST: usize = 10;

/// Returns lines whose cells, apart in `lines` by tabs, stand one under another. The last cell of a line is not padded.
pub(crate) fn lines(lines: &[String]) -> String {
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split('\t').collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells =
            rows.iter().filter(|row| row.len() > column + 1).map(|row| row[column].chars().count());
        cells.max().map_or(LEAST, |widest| (widest + GAP).max(LEAST))
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < row.len() {
                out.extend(std::iter::repeat_n(
                    ' ',
                    widths[column].saturating_sub(cell.chars().count()),
                ));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_stand_one_under_another() {
        let rows = ["ID\tNAME\tX", "0123456789ab\tü\tlast one", "a\t\t"].map(str::to_owned);
        let want = "ID             NAME      X\n0123456789ab   ü         last one\na                        \n";
        assert_eq!(super::lines(&rows), want);
    }
}
