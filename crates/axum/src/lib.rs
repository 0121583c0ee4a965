#![doc = include_str!("../README.md")]

mod answer;
mod body;
mod cookies;
mod credential;
mod cross_site;
mod etag;
mod fingerprint;
mod forwarded_header;
mod health;
mod links;
mod not_stored;
mod objects_only;
#[cfg(feature = "openapi")]
mod openapi;
mod origin;
mod paging;
mod path_id;
mod platform;
mod problem;
mod read;
mod request_query;
mod same_site;
mod scope;
#[cfg(feature = "serve")]
mod serve;
mod telemetry;
mod web;
mod write;

pub use answer::Answer;
pub use body::JsonBody;
pub use etag::{etag_of, refuse_changed};
pub use forwarded_header::ForwardedHeader;
pub use health::{Probe, health_routes, metrics_route};
#[cfg(feature = "openapi")]
pub use openapi::add_components;
pub use origin::ClientOrigin;
pub use paging::{CursorPaging, Paging};
pub use path_id::PathId;
pub use platform::{PlatformRead, PlatformWrite, REASON};
pub use problem::{Problem, ProblemKind, no_method, no_route};
pub use read::TenantRead;
pub use request_query::RequestQuery;
pub use same_site::SameSite;
pub use scope::Scope;
#[cfg(feature = "serve")]
pub use serve::{ServeLimits, serve};
pub use telemetry::{CORRELATION_ID, telemetry};
pub use web::Web;
pub use write::{IDEMPOTENCY_KEY, TenantWrite, WriteUnit};
