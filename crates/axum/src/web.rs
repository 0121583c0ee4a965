//! The state that the extractors need.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use rylie_db::audit::TrustedProxies;
use rylie_db::prelude::*;

use crate::forwarded_header::ForwardedHeader;
use crate::same_site::SameSite;

/// The store and the settings of the extractors. Cheap to clone. It is the router's state, or a part of it by
/// [`FromRef`].
///
/// ```no_run
/// # use std::sync::Arc;
/// # use rylie_axum::Web;
/// # use rylie_db::audit::TrustedProxies;
/// # use rylie_db::prelude::Store;
/// # fn example(store: Arc<dyn Store>) -> Result<Web, Box<dyn std::error::Error>> {
/// let web = Web::new(store)
///     .trusting(TrustedProxies::parse(["10.0.0.0/8"])?)
///     .with_session_cookie("__Host-session")
///     .allowing_origin("https://app.example.com");
/// # Ok(web)
/// # }
/// ```
#[derive(Clone)]
pub struct Web {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) proxies: TrustedProxies,
    pub(crate) forwarded: ForwardedHeader,
    pub(crate) session_cookie: String,
    pub(crate) same_site: SameSite,
    pub(crate) secure_cookies: bool,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) body_limit: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) requires_idempotency_key: bool,
    pub(crate) retry: Retry,
}

impl Web {
    /// Creates the state over a store: the database's, or a mock.
    ///
    /// Defaults: no proxy is trusted; the session cookie is `__Host-session` with `SameSite=Lax`; a body has at most
    /// 1 MiB and arrives within 30 seconds; idempotency keys are optional.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let settings = Settings {
            proxies: TrustedProxies::default(),
            forwarded: ForwardedHeader::default(),
            session_cookie: "__Host-session".to_owned(),
            same_site: SameSite::Lax,
            secure_cookies: true,
            allowed_origins: Vec::new(),
            body_limit: 1 << 20,
            body_timeout: Duration::from_secs(30),
            requires_idempotency_key: false,
            retry: Retry { attempts: 3, within: Duration::from_secs(1), ..Retry::default() },
        };
        Self { store, settings: Arc::new(settings) }
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Trusts these proxies: the client's address is the rightmost one in their header that is not a proxy's.
    #[must_use]
    pub fn trusting(self, proxies: TrustedProxies) -> Self {
        self.with(|settings| settings.proxies = proxies)
    }

    /// Sets the header that the trusted proxies write; `X-Forwarded-For` by default. The other one is never read,
    /// because a client could send it.
    #[must_use]
    pub fn forwarded_in(self, header: ForwardedHeader) -> Self {
        self.with(|settings| settings.forwarded = header)
    }

    /// Sets the name of the session cookie. A name that begins with `__Host-` needs HTTPS.
    #[must_use]
    pub fn with_session_cookie(self, name: impl Into<String>) -> Self {
        self.with(|settings| settings.session_cookie = name.into())
    }

    /// Sets `SameSite` of the session cookie.
    #[must_use]
    pub fn with_same_site(self, same_site: SameSite) -> Self {
        self.with(|settings| settings.same_site = same_site)
    }

    /// Sends cookies without `Secure`, for development without HTTPS. The cookie's name then must not begin with
    /// `__Host-` or `__Secure-`.
    #[must_use]
    pub fn without_https(self) -> Self {
        self.with(|settings| settings.secure_cookies = false)
    }

    /// Accepts writes with a session cookie from pages of this origin, such as `https://app.example.com`. Those of the
    /// service's own host are always accepted. A page of another origin also needs a CORS layer, such as that of
    /// `tower-http`: its browser asks by `OPTIONS` first.
    #[must_use]
    pub fn allowing_origin(self, origin: impl Into<String>) -> Self {
        let origin = origin.into().trim_end_matches('/').to_ascii_lowercase();
        self.with(|settings| settings.allowed_origins.push(origin))
    }

    /// Sets the longest body of a write, in bytes. A longer one gets 413.
    #[must_use]
    pub fn with_body_limit(self, bytes: usize) -> Self {
        self.with(|settings| settings.body_limit = bytes)
    }

    /// Sets how long a body may take to arrive. No unit is open then. A slower one gets 408.
    #[must_use]
    pub fn with_body_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.body_timeout = limit)
    }

    /// Refuses writes without an idempotency key, with 400.
    #[must_use]
    pub fn requiring_idempotency_keys(self) -> Self {
        self.with(|settings| settings.requires_idempotency_key = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

/// Extracts the state of a router.
pub(crate) fn web_of<S>(state: &S) -> Web
where
    Web: FromRef<S>,
{
    Web::from_ref(state)
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Web").finish_non_exhaustive()
    }
}
