//! The state of the routes.

use axum::extract::FromRef;
use rylie_axum::Web;

/// The state of the router.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) web: Web,
}

impl FromRef<App> for Web {
    fn from_ref(app: &App) -> Self {
        app.web.clone()
    }
}
