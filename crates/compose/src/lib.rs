//! Compose files: text → validated model.
//!
//! The way is that of the compose-spec: each file is read to a tree of nodes that know their line ([`yaml`]), its
//! variables are filled, it is checked against the schema, its short forms become long ones and its paths absolute;
//! what it extends and includes is taken in; the files are merged; and the tree becomes the typed [`model`], whose
//! parts are checked against one another.
//!
//! Nothing here touches the system: files come from a [`Files`], the environment is a map in the [`Options`].

mod canonical;
pub mod dotenv;
mod error;
mod interpolate;
mod load;
mod merge;
pub mod model;
mod schema;
mod template;
pub mod yaml;

pub use error::{Error, Span};
pub use interpolate::Variable;
pub use load::{Files, Loaded, Options, check_name, load, normalized_name};
pub use model::Project;
