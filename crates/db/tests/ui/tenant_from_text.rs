//! A tenant id is derived from an agency or a user, never from text.
use std::str::FromStr;

use rylie_db::prelude::*;

fn parsed(parameter: &str) -> TenantId {
    TenantId::from_str(parameter).unwrap()
}

fn wrapped(parameter: String) -> TenantId {
    TenantId(parameter)
}

fn main() {}
