//! A tenant's table cannot be declared to be everybody's.

use rylie_db::entities::request;
use rylie_tenancy::Shared;

impl Shared for request::Entity {}

fn main() {}
