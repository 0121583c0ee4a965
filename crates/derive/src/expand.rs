//! Writes the implementations.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{LitStr, Path};

use crate::entity::Entity;
use crate::field::Field;

pub(crate) fn expand(entity: &Entity) -> TokenStream {
    let root = if let Some(path) = &entity.attributes.platform {
        path.parse::<Path>().map_or_else(|error| error.to_compile_error(), Path::into_token_stream)
    } else {
        quote!(::rylie_db::own::derived)
    };
    let parts = [
        checks(entity, &root),
        tenant_owned(entity, &root),
        decoded(entity, &root),
        keyed(entity, &root),
        sorted(entity, &root),
        own(entity, &root),
    ];
    quote!(#(#parts)*)
}

/// Types that only look like ours by their last word do not compile either.
fn checks(entity: &Entity, root: &TokenStream) -> TokenStream {
    let (tenant, id) = (&entity.fields[entity.tenant].ident, &entity.fields[entity.id].ident);
    let id_type = &entity.fields[entity.id].ty;
    quote! {
        const _: fn(&Model) -> &#root::TenantId = |row| &row.#tenant;
        const _: fn(&Model) -> &#id_type = |row| &row.#id;
    }
}

fn tenant_owned(entity: &Entity, root: &TokenStream) -> TokenStream {
    let tenant = &entity.fields[entity.tenant].column;
    let condition = match (&entity.attributes.owned_by, entity.owner) {
        (Some(function), _) => match function.parse::<Path>() {
            Ok(function) => quote!(#function(user)),
            Err(error) => error.to_compile_error(),
        },
        (None, Some(at)) => {
            let owner = &entity.fields[at].column;
            quote!(#root::Condition::all().add(#root::ColumnTrait::eq(&Column::#owner, user)))
        }
        (None, None) => quote!({
            let _ = user;
            #root::Condition::all()
        }),
    };
    quote! {
        impl #root::TenantOwned for Entity {
            const TENANT: Column = Column::#tenant;

            fn owned_by(user: &#root::UserId) -> #root::Condition {
                #condition
            }
        }
    }
}

fn decoded(entity: &Entity, root: &TokenStream) -> TokenStream {
    if entity.attributes.own_decoding {
        return TokenStream::new();
    }
    let fields = entity.fields.iter().enumerate().map(|(at, Field { ident, nullable, .. })| {
        if *nullable {
            quote!(#ident: #root::nullable(row, #at)?,)
        } else {
            quote!(#ident: row.try_get_by_index(#at)?,)
        }
    });
    quote! {
        impl #root::Decoded for Entity {
            fn decoded(row: &#root::QueryResult) -> ::std::result::Result<Model, #root::DbErr> {
                ::std::result::Result::Ok(Model { #(#fields)* })
            }
        }
    }
}

fn keyed(entity: &Entity, root: &TokenStream) -> TokenStream {
    let (table, id) = (&entity.table, &entity.fields[entity.id].column);
    let by_id = match (&entity.attributes.by_id, &entity.attributes.platform) {
        (Some(name), _) => quote!(::std::option::Option::Some(#name)),
        (None, Some(_)) => quote!(::std::option::Option::None),
        (None, None) => {
            let name = format!("public.{}", reader(&table.value()));
            quote!(::std::option::Option::Some(#name))
        }
    };
    let optional =
        |at: Option<usize>| option(at.map(|at| &entity.fields[at].column).map(|column| quote!(Column::#column)));
    let soft = option(entity.soft_delete.map(|(deleted, deleted_at)| {
        let (deleted, deleted_at) = (&entity.fields[deleted].column, &entity.fields[deleted_at].column);
        quote!(#root::SoftDelete { deleted: Column::#deleted, deleted_at: Column::#deleted_at })
    }));
    let updated_at = optional(entity.updated_at);
    let marker = entity.soft_delete.map(|_| quote!(impl #root::SoftDeleted for Entity {}));
    quote! {
        impl #root::Keyed for Entity {
            const TABLE: &'static str = #table;
            const BY_ID: ::std::option::Option<&'static str> = #by_id;
            const ID: Column = Column::#id;
            const SOFT: ::std::option::Option<#root::SoftDelete<Column>> = #soft;
            const UPDATED_AT: ::std::option::Option<Column> = #updated_at;
        }
        #marker
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    if let Some(value) = value {
        quote!(::std::option::Option::Some(#value))
    } else {
        quote!(::std::option::Option::None)
    }
}

/// Returns the name of the function that reads rows by id. `CreateTable` of the migrations makes it.
fn reader(table: &str) -> String {
    format!("own_{}_by_id", table.to_lowercase())
}

fn sorted(entity: &Entity, root: &TokenStream) -> TokenStream {
    let Some(at) = entity.sort else { return TokenStream::new() };
    let (id, id_ident) = (&entity.fields[entity.id].column, &entity.fields[entity.id].ident);
    let Field { column, ident, kind, .. } = &entity.fields[at];
    if at == entity.id {
        return quote! {
            impl #root::KeysetTable for Entity {
                fn in_order(order: #root::Order) -> ::std::vec::Vec<(Column, #root::Order)> {
                    ::std::vec![(Column::#id, order)]
                }

                fn after(place: #root::KeysetKey, order: &#root::Order) -> ::std::option::Option<#root::Expr> {
                    ::std::option::Option::Some(#root::beyond(&[Column::#id], ::std::vec![place.id.into()], order))
                }
            }

            impl #root::KeysetRow for Model {
                fn place(&self) -> #root::KeysetKey {
                    #root::KeysetKey { key: 0, id: ::std::string::ToString::to_string(&self.#id_ident) }
                }
            }
        };
    }
    let (value, key) = match kind.as_str() {
        "Timestamp" => (
            quote!(place.time()?),
            quote!(#root::KeysetKey::at(self.#ident, &::std::string::ToString::to_string(&self.#id_ident))),
        ),
        number => {
            let value = if number == "i32" { quote!(i32::try_from(place.key).ok()?) } else { quote!(place.key) };
            let key = quote!(#root::KeysetKey {
                key: i64::from(self.#ident),
                id: ::std::string::ToString::to_string(&self.#id_ident),
            });
            (value, key)
        }
    };
    quote! {
        impl #root::KeysetTable for Entity {
            fn in_order(order: #root::Order) -> ::std::vec::Vec<(Column, #root::Order)> {
                ::std::vec![(Column::#column, ::std::clone::Clone::clone(&order)), (Column::#id, order)]
            }

            fn after(place: #root::KeysetKey, order: &#root::Order) -> ::std::option::Option<#root::Expr> {
                let values = ::std::vec![#value.into(), place.id.into()];
                ::std::option::Option::Some(#root::beyond(&[Column::#column, Column::#id], values, order))
            }
        }

        impl #root::KeysetRow for Model {
            fn place(&self) -> #root::KeysetKey {
                #key
            }
        }
    }
}

/// Writes what `Table` needs. A table of the platform without a list order is not read by it.
fn own(entity: &Entity, root: &TokenStream) -> TokenStream {
    if entity.sort.is_none() {
        return TokenStream::new();
    }
    let column = |at: usize| {
        let column = &entity.fields[at].column;
        quote!(Column::#column)
    };
    let (owner, created_at) = (option(entity.owner.map(column)), option(entity.created_at.map(column)));
    let audited = entity.audited.iter().map(|at| column(*at));
    let sealed: Vec<_> = (0..entity.fields.len()).filter(|at| entity.fields[*at].is_sealed()).map(column).collect();
    let append_only = entity.attributes.append_only.is_some();
    let typed = entity
        .fields
        .iter()
        .enumerate()
        .filter(|(at, field)| ![entity.id, entity.tenant].contains(at) && field.is_typed());
    let typed = typed.map(|(_, Field { column, inner, .. })| {
        quote!(#root::TypedColumn {
            column: Column::#column,
            id: ::std::any::TypeId::of::<#inner>,
            labels: || {
                #[allow(unused_imports, reason = "used for a type that is no enumeration")]
                use #root::NoLabels as _;
                #root::Labels::<#inner>::texts()
            },
        })
    });
    let max_bytes = entity.max_bytes.iter().map(|(at, most)| {
        let column = column(*at);
        quote!((#column, #most))
    });
    let max_bytes = option(entity.attributes.platform.is_none().then(|| quote!(&[#(#max_bytes),*])));
    let (id, id_type) = (&entity.fields[entity.id].ident, &entity.fields[entity.id].ty);
    let of_service = if entity.attributes.platform.is_none() { loaded(entity, root) } else { TokenStream::new() };
    quote! {
        impl #root::RepositoryTable for Entity {
            type Id = #id_type;
            const OWN: #root::OwnColumns<Column> = #root::OwnColumns {
                owner: #owner,
                created_at: #created_at,
                sealed: &[#(#sealed),*],
                audited: &[#(#audited),*],
                append_only: #append_only,
                max_bytes: #max_bytes,
                typed: &[#(#typed),*],
            };

            fn id(row: &Model) -> &#id_type {
                &row.#id
            }
        }

        #of_service
    }
}

/// Writes what the platform's entities have in other places.
fn loaded(entity: &Entity, root: &TokenStream) -> TokenStream {
    let (id, id_type) = (&entity.fields[entity.id].ident, &entity.fields[entity.id].ty);
    let table: &LitStr = &entity.table;
    quote! {
        impl #root::OwnTable for Entity {}

        impl #root::Readable for Entity {}

        impl #root::Loaded for Model {
            type Id = #id_type;
            const NAME: &'static str = #table;

            fn id(&self) -> &#id_type {
                &self.#id
            }

            fn find_many(
                unit: &dyn #root::TenantUnit,
                ids: ::std::vec::Vec<#id_type>,
            ) -> #root::Reading<'_, ::std::vec::Vec<Self>> {
                #root::load::<Entity>(unit, ids)
            }
        }
    }
}
