//! Connections to Google Search Console.

super::google_connections::google_connections! {
    "Google Search Console", table "SearchConsoleConnection",
    entity search_console_connection as SearchConsoleConnection, id SearchConsoleConnectionId,
    SearchConsoleConnectionRepository, secrets SearchConsoleAccessToken SearchConsoleRefreshToken,
    NewSearchConsoleConnection {
        /// The site that is read.
        site_url,
        /// Its name.
        site_name
    }
}
