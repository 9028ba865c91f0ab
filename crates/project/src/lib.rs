//! Compose projects with a life: what is wanted, what is there, and the way from one to the other.
//!
//! [`Wanted`] is a validated model with what its containers are made from. [`plan`](mod@plan) compares it with the
//! [`Actual`] containers and says, as a value, what has to be done; [`apply`] does it through the engine, services
//! in dependency order and side by side. What was wanted is kept in the database, so that others can know it
//! when the files are gone.
//!
//! ```text
//!   Loaded ─▶ Wanted ─┐
//!                     ├─▶ plan ─▶ apply ─▶ engine
//!   engine ─▶ Actual ─┘
//! ```

mod actual;
pub mod apply;
mod error;
mod grants;
pub mod labels;
mod order;
pub mod plan;
mod progress;
mod request;
mod store;
mod wanted;

pub use actual::{Actual, all_projects, containers, with_networks};
pub use error::Error;
pub use order::{Direction, in_order};
pub use plan::{Change, Plan, PlanOptions, ServicePlan, plan};
pub use progress::{Progress, Silent, Status};
pub use request::{Kind, Situation, request};
pub use store::{ROOM, forget, lock, recall, remember};
pub use wanted::Wanted;
