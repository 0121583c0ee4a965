//! A field of the model, and which types a column may have.

use heck::ToUpperCamelCase;
use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{GenericArgument, LitStr, PathArguments, Result, Type};

use crate::attributes::skip;

/// A column, with its type as it was written.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    /// Its variant in `Column`.
    pub(crate) column: Ident,
    pub(crate) ty: Type,
    /// The type without `Option`.
    pub(crate) inner: Type,
    /// The last word of the type, without `Option`.
    pub(crate) kind: String,
    pub(crate) nullable: bool,
    pub(crate) primary_key: bool,
    /// The name of the column, if the field gives one.
    pub(crate) column_name: Option<LitStr>,
}

impl Field {
    /// Reads a field. Returns `None` for a column that SeaORM ignores.
    pub(crate) fn read(field: &syn::Field) -> Result<Option<Self>> {
        let Some(ident) = field.ident.clone() else {
            return Err(syn::Error::new_spanned(field, "the model needs named fields"));
        };
        let (mut primary_key, mut ignored) = (false, false);
        let (mut variant, mut column_name) = (None::<LitStr>, None::<LitStr>);
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("sea_orm")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("enum_name") {
                    variant = Some(meta.value()?.parse()?);
                    return Ok(());
                }
                if meta.path.is_ident("column_name") {
                    column_name = Some(meta.value()?.parse()?);
                    return Ok(());
                }
                primary_key |= meta.path.is_ident("primary_key");
                ignored |= meta.path.is_ident("ignore");
                skip(&meta)
            })?;
        }
        if ignored {
            return Ok(None);
        }
        let name = variant.map_or_else(|| ident.unraw().to_string(), |name| name.value()).to_upper_camel_case();
        let (inner, nullable) = without_option(&field.ty);
        let kind = last_word(inner);
        Ok(Some(Self {
            column: Ident::new(&name, ident.span()),
            ty: field.ty.clone(),
            inner: inner.clone(),
            ident,
            kind,
            nullable,
            primary_key,
            column_name,
        }))
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.ident.unraw() == name
    }

    /// Returns whether the type may be the id of another table.
    pub(crate) fn is_typed(&self) -> bool {
        let plain = ["String", "bool", "i32", "i64", "f64", "Json", "Timestamp", "SealedColumn"];
        !plain.contains(&self.kind.as_str())
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.kind == "SealedColumn"
    }

    /// Fails for a type whose values differ between the engines, or do not exist on one of them.
    pub(crate) fn refuse_unmapped(&self) -> Result<()> {
        let instead = match self.kind.as_str() {
            "Decimal" | "BigDecimal" => "use `i64` in the smallest unit, such as cents, or `String`",
            "Uuid" => "use `String`, or a type of `rylie_db::own::id!`",
            "f32" => "use `f64`",
            "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "isize" | "usize" => "use `i32` or `i64`",
            "DateTime"
            | "DateTimeUtc"
            | "DateTimeWithTimeZone"
            | "DateTimeLocal"
            | "NaiveDateTime"
            | "ChronoDateTime"
            | "OffsetDateTime"
            | "PrimitiveDateTime" => "use `Timestamp`, a time in UTC with milliseconds",
            "NaiveDate" | "NaiveTime" | "Date" | "Time" => "use `Timestamp`, or `String` with a fixed form",
            "Vec" => "use `Json`, or a table of the items with a key to this one",
            _ => return Ok(()),
        };
        let message = format!("`{}` has no column that is the same on PostgreSQL and SQLite; {instead}", self.kind);
        Err(syn::Error::new_spanned(&self.ty, message))
    }
}

/// Returns the type inside `Option`, and whether there was one.
fn without_option(ty: &Type) -> (&Type, bool) {
    let Type::Path(path) = ty else { return (ty, false) };
    let Some(last) = path.path.segments.last().filter(|last| last.ident == "Option") else { return (ty, false) };
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
            Some(GenericArgument::Type(inner)) => (inner, true),
            _ => (ty, false),
        },
        _ => (ty, false),
    }
}

fn last_word(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default(),
        _ => String::new(),
    }
}
