//! The testkit's own tests: its servers, and that the conformance suite passes the honest and catches the wrong.

mod reference;
mod servers;
