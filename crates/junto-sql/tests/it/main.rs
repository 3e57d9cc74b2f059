//! The language as its users meet it: what is a reference, what binds to what, and what the errors say.

mod binding;
mod properties;
mod references;
mod statements;
