//! Connections to Google Search Console.

super::google_connections::google_connections! {
    "Google Search Console", table "SearchConsoleConnection",
    entity search_console_connection as SearchConsoleConnection, id SearchConsoleConnectionId,
    SearchConsoleConnectionRepository, function "rylie_save_search_console_connection",
    secrets SearchConsoleAccessToken SearchConsoleRefreshToken,
    NewSearchConsoleConnection {
        /// The site's URL.
        site_url,
        /// The site's name.
        site_name
    }
}
