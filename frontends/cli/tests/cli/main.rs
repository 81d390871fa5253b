//! The `tacit` command as its users see it: what goes in, what comes out, which code it ends with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod demo;
mod eval;
mod import;
mod plan;
mod refusals;
mod stages;
mod support;
