#![doc = include_str!("../README.md")]

mod attributes;
mod entity;
mod expand;
mod field;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes the entity of this `Model` one whose rows belong to tenants. See the [crate] for the attributes.
#[proc_macro_derive(TenantOwned, attributes(tenant_owned))]
pub fn tenant_owned(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    // SeaORM's dense form copies the derive to the struct with the relations.
    if input.ident == "ModelEx" {
        return TokenStream::new();
    }
    entity::Entity::read(&input).map_or_else(|error| error.to_compile_error(), |entity| expand::expand(&entity)).into()
}
