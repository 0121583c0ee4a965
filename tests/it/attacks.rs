//! The attack suite on databases that were extended, well and badly, and on walls of which a part is gone.

mod extended;
mod policies;
