//! The `junto` binary as its users meet it: arguments in, bytes and exit code out.

mod bad_input;
mod cancelling;
mod concurrent;
mod configuration;
mod demo;
mod engine;
mod errors;
mod estimates;
mod explained;
mod faults;
mod faults_brought;
mod faults_keyed;
mod faults_materialize;
mod formats;
mod harness;
mod help;
mod joins;
mod little_memory;
mod network;
mod network_joins;
mod reading_ahead;
mod servers;
mod sessions;
mod spilling;
mod strategies;
mod surprises;
