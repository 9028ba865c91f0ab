//! What a person sees of hako: exit codes, output, and what is on the machine afterwards.

mod build;
mod compose;
mod exec;
mod health;
mod image;
mod logs;
mod mistake;
mod network;
mod restart;
mod run;
mod volume;
