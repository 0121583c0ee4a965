//! Connections to Google Analytics 4.

super::google_connections::google_connections! {
    "Google Analytics 4", table "GA4Connection", entity ga4_connection as Ga4Connection, id Ga4ConnectionId,
    Ga4ConnectionRepository, function "rylie_save_ga4_connection", secrets Ga4AccessToken Ga4RefreshToken, NewGa4Connection {
        /// The id of the Analytics property.
        property_id,
        /// The property's name.
        property_name
    }
}
