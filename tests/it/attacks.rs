//! Runs the attack suite on correctly and wrongly extended databases, and with parts of the isolation layers removed.

mod extended;
mod policies;
