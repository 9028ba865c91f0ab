//! What the `ls` commands print: rows through a template, with headings where it is a table.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use gotmpl::Value;

use super::table;
use super::template::{Template, TemplateError};
use super::value::{FIELDS, text};
use crate::report::Failure;

/// The fields of a listing with their headings, and its table where the user gives no format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    /// Field names and headings.
    pub(crate) headings: &'static [(&'static str, &'static str)],
    /// The template of the table.
    pub(crate) table: &'static str,
}

/// One row: fields by name.
#[derive(Debug, Default)]
pub(crate) struct Row {
    fields: BTreeMap<Arc<str>, Value>,
}

impl Row {
    /// Sets a field.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.fields.insert(Arc::from(name), text(value.as_ref()));
        self
    }

    /// Sets the method `Label`, which looks a label up by its name.
    pub(crate) fn labels(mut self, labels: &BTreeMap<String, String>) -> Self {
        let labels = labels.clone();
        let method = move |args: &[Value]| {
            let name = args.first().and_then(Value::as_str).unwrap_or_default();
            Ok(text(labels.get(name).map_or("", String::as_str)))
        };
        self.fields.insert(Arc::from("Label"), Value::Function(Arc::new(method)));
        self
    }

    /// Returns the row as a template's data.
    pub(crate) fn value(mut self) -> Value {
        let names: Vec<Value> = self.fields.keys().map(|name| text(name)).collect();
        self.fields.insert(Arc::from(FIELDS), Value::List(Arc::from(names)));
        Value::Map(Arc::new(self.fields))
    }
}

/// A format as it was asked for, ready for rows.
#[derive(Debug)]
pub(crate) struct Listing {
    template: Template,
    headings: Option<&'static [(&'static str, &'static str)]>,
}

impl Listing {
    /// Reads `--format`: nothing and `table` mean the listing's own table, `table …` another one, `json` a line of
    /// JSON each, anything else is a template.
    ///
    /// # Errors
    /// When it is no template.
    pub(crate) fn new(format: Option<&str>, columns: Columns) -> Result<Self, Failure> {
        let format = format.unwrap_or("table").trim_start();
        let (source, table) = match format.strip_prefix("table") {
            Some("") => (columns.table, true),
            Some(rest) if rest.starts_with([' ', '\t', '\\']) => {
                (rest.trim_start_matches(' '), true)
            }
            _ if format == "json" => ("{{json .}}", false),
            _ => (format, false),
        };
        let source = source.replace("\\t", "\t").replace("\\n", "\n");
        let template = Template::parse(&source).map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self { template, headings: table.then_some(columns.headings) })
    }

    /// Tells whether it is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.headings.is_some()
    }

    /// Returns the text of all rows.
    ///
    /// # Errors
    /// When the template asks for a field that rows do not have.
    pub(crate) fn render(&self, rows: impl IntoIterator<Item = Row>) -> Result<String, Failure> {
        let failed = |error: TemplateError| Failure::new(error.to_string());
        let mut all = Vec::new();
        if let Some(headings) = self.headings {
            let row =
                headings.iter().fold(Row::default(), |row, (name, heading)| row.set(name, heading));
            all.push(self.template.headings(&heading_row(row)).map_err(failed)?);
        }
        for row in rows {
            all.push(self.template.run(&row.value()).map_err(failed)?);
        }
        if self.headings.is_some() {
            return Ok(table::lines(&all));
        }
        Ok(all.into_iter().map(|line| line + "\n").collect())
    }

    /// Prints all rows on standard output.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub(crate) fn print(&self, rows: impl IntoIterator<Item = Row>) -> Result<(), Failure> {
        let text = self.render(rows)?;
        io::stdout().lock().write_all(text.as_bytes()).ok();
        Ok(())
    }
}

/// In the row of headings, `Label "a.b"` is the label's last part in capitals.
fn heading_row(mut row: Row) -> Value {
    let method = |args: &[Value]| {
        let name = args.first().and_then(Value::as_str).unwrap_or_default();
        let last = name.rsplit('.').next().unwrap_or_default();
        Ok(text(&last.replace(['-', '_'], " ")))
    };
    row.fields.insert(Arc::from("Label"), Value::Function(Arc::new(method)));
    row.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns = Columns {
        headings: &[("ID", "CONTAINER ID"), ("Names", "NAMES")],
        table: "{{.ID}}\t{{.Names}}",
    };

    fn shown(format: Option<&str>) -> String {
        let labels = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let row = Row::default().set("ID", "abc").set("Names", "web").labels(&labels);
        Listing::new(format, COLUMNS)
            .and_then(|listing| listing.render([row]))
            .unwrap_or_else(|e| e.message().to_owned())
    }

    #[test]
    fn all_forms_of_format_work() {
        assert_eq!(shown(None), "CONTAINER ID   NAMES\nabc            web\n");
        assert_eq!(shown(Some("table {{.Names}}")), "NAMES\nweb\n");
        assert_eq!(
            shown(Some("table {{.Names}}\\t{{.Label \"k\"}}")),
            "NAMES     k\nweb       v\n"
        );
        assert_eq!(shown(Some("json")), "{\"ID\":\"abc\",\"Names\":\"web\"}\n");
        assert_eq!(shown(Some("{{.Names}} {{.Label \"k\"}}{{.Label \"x\"}}")), "web v\n");
        assert!(shown(Some("{{.Nope}}")).contains("Nope"));
    }
}
