//! Go templates over what the engine tells: `--format` in all its forms.
//!
//! The template engine is a crate; what Docker's users expect of it beyond maps and lists is added here by rewriting the parsed
//! template ([`template`]): a struct's unknown field is an error while a map's missing key is not ([`value`]), values print as
//! Go prints them ([`print`]), and rows have methods. [`table`] lines columns up, [`listing`] joins it all for the `ls` commands.

mod listing;
mod print;
mod table;
mod template;
mod value;

pub(crate) use listing::{Columns, Listing, Row};
pub(crate) use table::lines;
pub(crate) use template::{Template, TemplateError};
pub(crate) use value::of_struct;
