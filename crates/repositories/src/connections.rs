//! Connections to Google's services.

#[cfg_attr(feature = "mock", expect(unreachable_pub, reason = "our macro exports the types that mockall adds"))]
mod ga4_connections;
mod google_connections;
#[cfg_attr(feature = "mock", expect(unreachable_pub, reason = "our macro exports the types that mockall adds"))]
mod search_console_connections;

pub(crate) use ga4_connections::save_and_commit as save_ga4_and_commit;
pub use ga4_connections::{Ga4ConnectionRepository, NewGa4Connection};
pub(crate) use search_console_connections::save_and_commit as save_search_console_and_commit;
pub use search_console_connections::{NewSearchConsoleConnection, SearchConsoleConnectionRepository};

#[cfg(feature = "mock")]
pub use {
    ga4_connections::MockGa4ConnectionRepository, search_console_connections::MockSearchConsoleConnectionRepository,
};
