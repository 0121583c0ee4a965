//! Reads the model and refuses one that cannot be isolated.

use proc_macro2::Span;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result};

use crate::attributes::Attributes;
use crate::field::Field;

/// The tables of the platform.
const PLATFORM: [&str; 17] = [
    "Account",
    "Agency",
    "AuditLog",
    "GA4Connection",
    "IdempotencyKey",
    "MonthlyUsage",
    "Request",
    "RequestCount",
    "SEOWorksTaskMapping",
    "SearchConsoleConnection",
    "Session",
    "SystemSettings",
    "Task",
    "UsageEvent",
    "User",
    "UserPreferences",
    "VerificationToken",
];

/// A model that can be isolated. The numbers are places in `fields`.
pub(crate) struct Entity {
    pub(crate) attributes: Attributes,
    pub(crate) table: LitStr,
    pub(crate) fields: Vec<Field>,
    pub(crate) id: usize,
    pub(crate) tenant: usize,
    pub(crate) owner: Option<usize>,
    pub(crate) sort: Option<usize>,
    pub(crate) soft_delete: Option<(usize, usize)>,
    pub(crate) created_at: Option<usize>,
    pub(crate) updated_at: Option<usize>,
    pub(crate) audited: Vec<usize>,
    pub(crate) max_bytes: Vec<(usize, usize)>,
}

impl Entity {
    pub(crate) fn read(input: &DeriveInput) -> Result<Self> {
        if input.ident != "Model" {
            return Err(Error::new_spanned(&input.ident, "put `TenantOwned` on the entity's struct `Model`"));
        }
        if !input.generics.params.is_empty() {
            return Err(Error::new_spanned(&input.generics, "an entity has no generic parameters"));
        }
        let Data::Struct(data) = &input.data else {
            return Err(Error::new_spanned(&input.ident, "put `TenantOwned` on the entity's struct `Model`"));
        };
        let Fields::Named(named) = &data.fields else {
            return Err(Error::new_spanned(&input.ident, "the model needs named fields"));
        };
        let attributes = Attributes::read(&input.attrs)?;
        let fields: Vec<Field> =
            named.named.iter().filter_map(|field| Field::read(field).transpose()).collect::<Result<_>>()?;
        let table = attributes.table.clone();
        let table = table
            .ok_or_else(|| Error::new(Span::call_site(), "name the table: #[sea_orm(table_name = \"Comment\")]"))?;
        let ours = attributes.platform.is_some();
        if fields.len() > 64 {
            return Err(Error::new_spanned(
                &input.ident,
                "a table has at most 64 columns: put the others in a second one",
            ));
        }
        if !ours {
            refuse_table(&table)?;
            for field in &fields {
                field.refuse_unmapped()?;
            }
        }
        let found = |name: &str| fields.iter().position(|field| field.is(name));
        let named = |name: &LitStr| {
            found(&name.value()).ok_or_else(|| Error::new(name.span(), format!("there is no field `{}`", name.value())))
        };
        let timed = |name: &str| found(name).filter(|at| fields[*at].kind == "Timestamp");
        let id = id(&fields)?;
        let tenant = match &attributes.tenant {
            Some(name) => named(name)?,
            None => found("tenant_id").ok_or_else(|| Error::new(Span::call_site(), NO_TENANT))?,
        };
        check_tenant(&fields[tenant])?;
        if !ours {
            check_columns(&attributes, &fields[tenant], &fields[id])?;
        }
        let owner = attributes.owner.as_ref().map(named).transpose()?;
        if let Some(field) = owner.map(|at| &fields[at]).filter(|field| field.kind != "UserId" && !ours) {
            return Err(Error::new_spanned(&field.ty, "the owner must be a `UserId` or an `Option<UserId>`"));
        }
        let sort = match &attributes.sort {
            Some(name) => Some(named(name)?),
            None if ours => None,
            None => Some(timed("created_at").filter(|at| !fields[*at].nullable).unwrap_or(id)),
        };
        if let Some(at) = sort.filter(|at| *at != id) {
            check_sort(&fields[at])?;
        }
        let soft_delete = match &attributes.soft_delete {
            Some(path) => Some(soft_delete(&fields).map_err(|()| Error::new_spanned(path, NO_SOFT_DELETE))?),
            None => None,
        };
        if let (Some(_), Some(path)) = (&soft_delete, &attributes.append_only) {
            return Err(Error::new_spanned(path, "a row that is never changed cannot be soft-deleted"));
        }
        let audited = attributes.audited.iter().map(named).collect::<Result<Vec<_>>>()?;
        let max_bytes = attributes.max_bytes.iter().map(|(name, most)| {
            let at = named(name)?;
            if ["bool", "i32", "i64", "f64", "Timestamp"].contains(&fields[at].kind.as_str()) {
                return Err(Error::new(name.span(), "only a text or a JSON document has a length"));
            }
            Ok((at, most.base10_parse()?))
        });
        let max_bytes = max_bytes.collect::<Result<Vec<_>>>()?;
        let (created_at, updated_at) = (timed("created_at"), timed("updated_at"));
        Ok(Self {
            attributes,
            table,
            fields,
            id,
            tenant,
            owner,
            sort,
            soft_delete,
            created_at,
            updated_at,
            audited,
            max_bytes,
        })
    }
}

const NO_TENANT: &str =
    "rows without a tenant cannot be isolated: add the field `pub tenant_id: TenantId` (column \"tenantId\")";
const TENANT_COLUMN: &str = "the tenant's column must be \"tenantId\": add `rename_all = \"camelCase\"` to the entity's \
     #[sea_orm(…)], or #[sea_orm(column_name = \"tenantId\")] here";
const NO_SOFT_DELETE: &str = "soft delete needs the fields `deleted: bool` and `deleted_at: Option<Timestamp>`";
const NO_ID: &str = "a table of a tenant needs exactly one key, the text `id`: \
     #[sea_orm(primary_key, auto_increment = false)] pub id: CommentId. A table that links two others has it too, and \
     its migration makes both columns unique: .unique(&[\"noteId\", \"tagId\"])";

fn refuse_table(table: &LitStr) -> Result<()> {
    let name = table.value();
    if PLATFORM.iter().any(|known| known.eq_ignore_ascii_case(&name)) || name.to_lowercase().starts_with("rylie_") {
        return Err(Error::new(
            table.span(),
            format!("the table `{name}` belongs to rylie-db; read it by its repository"),
        ));
    }
    let fits = name.len() <= 40 && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !fits || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        let rule = "a table's name has at most 40 letters, digits and underscores, and begins with a letter";
        return Err(Error::new(table.span(), rule));
    }
    Ok(())
}

fn id(fields: &[Field]) -> Result<usize> {
    let mut keys = fields.iter().enumerate().filter(|(_, field)| field.primary_key);
    let (Some((at, field)), None) = (keys.next(), keys.next()) else {
        return Err(Error::new(Span::call_site(), NO_ID));
    };
    let number = matches!(field.kind.as_str(), "i32" | "i64" | "u32" | "u64");
    if !field.is("id") || field.nullable || number {
        return Err(Error::new_spanned(&field.ty, NO_ID));
    }
    Ok(at)
}

fn check_tenant(field: &Field) -> Result<()> {
    if field.nullable {
        return Err(Error::new_spanned(&field.ty, "a row without a tenant cannot be isolated: use `TenantId`"));
    }
    if field.kind != "TenantId" {
        return Err(Error::new_spanned(&field.ty, "the tenant key must be a `TenantId`, which no caller can invent"));
    }
    Ok(())
}

/// Policies and keys name the two columns, so their names are fixed.
fn check_columns(attributes: &Attributes, tenant: &Field, id: &Field) -> Result<()> {
    let camel = attributes.rename_all.as_ref().is_some_and(|case| case.value() == "camelCase");
    let named = match &tenant.column_name {
        Some(name) => name.value() == "tenantId",
        None => camel && tenant.is("tenant_id"),
    };
    if !named {
        return Err(Error::new_spanned(&tenant.ident, TENANT_COLUMN));
    }
    match &id.column_name {
        Some(name) if name.value() != "id" => Err(Error::new_spanned(name, NO_ID)),
        _ => Ok(()),
    }
}

fn check_sort(field: &Field) -> Result<()> {
    if field.nullable || !matches!(field.kind.as_str(), "Timestamp" | "i32" | "i64") {
        let message = "a list is walked by a `Timestamp`, an `i32`, an `i64` or the `id`, never null";
        return Err(Error::new_spanned(&field.ty, message));
    }
    Ok(())
}

fn soft_delete(fields: &[Field]) -> std::result::Result<(usize, usize), ()> {
    let of = |name: &str, kind: &str, nullable: bool| {
        let found = fields.iter().position(|field| field.is(name) && field.kind == kind && field.nullable == nullable);
        found.ok_or(())
    };
    Ok((of("deleted", "bool", false)?, of("deleted_at", "Timestamp", true)?))
}
