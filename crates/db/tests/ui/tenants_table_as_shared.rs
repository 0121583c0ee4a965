//! A tenant-owned table cannot be declared as shared.

use rylie_db::entities::request;
use rylie_tenancy::Shared;

impl Shared for request::Entity {}

fn main() {}
