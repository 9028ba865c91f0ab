mod args;
mod create;
mod environment;
mod format;
mod report;
fn main() {}
