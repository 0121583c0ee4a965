//! The attributes of the struct: ours, and SeaORM's table name.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitInt, LitStr, Path, Result, Token, parenthesized};

/// `#[tenant_owned(…)]` as it was written. Fields are named by their identifiers.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) tenant: Option<LitStr>,
    pub(crate) owner: Option<LitStr>,
    pub(crate) sort: Option<LitStr>,
    pub(crate) soft_delete: Option<Path>,
    pub(crate) append_only: Option<Path>,
    pub(crate) audited: Vec<LitStr>,
    /// The most bytes of a text or a JSON document.
    pub(crate) max_bytes: Vec<(LitStr, LitInt)>,
    pub(crate) table: Option<LitStr>,
    /// How SeaORM spells columns without a name.
    pub(crate) rename_all: Option<LitStr>,
    /// The entities of the platform itself: the path of the crate that has the traits.
    pub(crate) platform: Option<LitStr>,
    /// For the platform: a function that returns the condition of a user's own rows.
    pub(crate) owned_by: Option<LitStr>,
    /// For the platform: the function that reads rows by id.
    pub(crate) by_id: Option<LitStr>,
}

impl Attributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut read = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("tenant_owned") {
                attribute.parse_nested_meta(|meta| read.ours(&meta))?;
            } else if attribute.path().is_ident("sea_orm") {
                attribute.parse_nested_meta(|meta| read.sea_orm(&meta))?;
            }
        }
        Ok(read)
    }

    fn ours(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(name) = meta.path.get_ident().map(ToString::to_string) else { return Err(unknown(meta)) };
        match name.as_str() {
            "tenant" => self.tenant = Some(meta.value()?.parse()?),
            "owner" => self.owner = Some(meta.value()?.parse()?),
            "sort" => self.sort = Some(meta.value()?.parse()?),
            "soft_delete" => self.soft_delete = Some(meta.path.clone()),
            "append_only" => self.append_only = Some(meta.path.clone()),
            "audited" => {
                let names;
                parenthesized!(names in meta.input);
                self.audited.extend(names.parse_terminated(<LitStr as syn::parse::Parse>::parse, Token![,])?);
            }
            "max_bytes" => {
                let limits;
                parenthesized!(limits in meta.input);
                let limit = |input: syn::parse::ParseStream<'_>| {
                    let field = input.parse()?;
                    input.parse::<Token![=]>()?;
                    Ok((field, input.parse()?))
                };
                self.max_bytes.extend(limits.parse_terminated(limit, Token![,])?);
            }
            "platform" => self.platform = Some(meta.value()?.parse()?),
            "owned_by" => self.owned_by = Some(meta.value()?.parse()?),
            "by_id" => self.by_id = Some(meta.value()?.parse()?),
            _ => return Err(unknown(meta)),
        }
        Ok(())
    }

    fn sea_orm(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("table_name") {
            self.table = Some(meta.value()?.parse()?);
            return Ok(());
        }
        if meta.path.is_ident("rename_all") {
            self.rename_all = Some(meta.value()?.parse()?);
            return Ok(());
        }
        skip(meta)
    }
}

/// Skips the value of an attribute of SeaORM.
pub(crate) fn skip(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        let _: syn::Expr = meta.value()?.parse()?;
    } else if meta.input.peek(syn::token::Paren) {
        let inside;
        parenthesized!(inside in meta.input);
        let _: proc_macro2::TokenStream = inside.parse()?;
    }
    Ok(())
}

fn unknown(meta: &ParseNestedMeta<'_>) -> syn::Error {
    meta.error(
        "unknown attribute; there are: tenant = \"field\", owner = \"field\", sort = \"field\", soft_delete, append_only, \
         audited(\"field\", …), max_bytes(\"field\" = 4_096, …)",
    )
}
