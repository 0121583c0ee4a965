//! The list of a service's own tables.

use std::any::TypeId;

use rylie_entities::{EntityTable, OwnTable, TENANT_TABLES, TenantTable, table};
use sea_orm::sea_query::{ColumnType, Order};
use sea_orm::{ColumnTrait, IdenStatic, Iterable};

use crate::{Error, Result, SecretColumn};

/// A service's own tables, each after those that it refers to.
#[derive(Clone, Debug, Default)]
pub struct OwnSchema {
    tables: Vec<OwnTableInfo>,
}

/// An own table, as the store knows it.
#[derive(Clone, Debug)]
pub struct OwnTableInfo {
    /// The table as its entity declares it.
    pub entity: EntityTable,
    /// Its name.
    pub name: &'static str,
    /// Its columns with secrets.
    pub secrets: Vec<SecretColumn>,
    /// The columns by which its lists are sorted.
    pub order: Vec<&'static str>,
    /// Whether its rows are soft-deleted before they are purged.
    pub soft_delete: bool,
    /// The column with the user to whom a row belongs.
    pub owner: Option<&'static str>,
    /// Its columns whose changes are recorded.
    pub audited: Vec<&'static str>,
    /// Whether its rows are only added.
    pub append_only: bool,
    /// Its columns with a type of the service or of the platform, with that type.
    pub typed: Vec<(&'static str, TypeId)>,
    /// Its columns with an enumeration of texts, with those texts.
    pub labels: Vec<(&'static str, Vec<String>)>,
    /// The type of its key.
    pub id_type: TypeId,
    entity_type: TypeId,
}

impl OwnSchema {
    /// Adds the table of an entity. Fails with [`Error::Invalid`] for a table of the platform, for one that is listed
    /// already, and for an entity with an enumeration of PostgreSQL.
    pub fn add<E: OwnTable>(&mut self) -> Result<()> {
        let name = E::TABLE;
        let taken = |known: &str| known.eq_ignore_ascii_case(name);
        if E::default().table_name() != name || TENANT_TABLES.iter().any(|table| taken(table.name)) {
            return Err(Error::Invalid { what: "the own table", reason: "it is a table of the platform" });
        }
        if self.tables.iter().any(|table| taken(table.name)) {
            return Err(Error::Invalid { what: "the own table", reason: "it is listed twice" });
        }
        if E::Column::iter().any(|column| matches!(column.def().get_column_type(), ColumnType::Enum { .. })) {
            let reason =
                "a column has an enumeration of PostgreSQL; give its type rs_type = \"String\", db_type = \"Text\"";
            return Err(Error::Invalid { what: "the own table", reason });
        }
        let secrets = E::OWN.sealed.iter().map(|column| SecretColumn::own(name, column.as_str())).collect();
        let (entity, soft_delete, entity_type) = (table::<E>(), E::SOFT.is_some(), TypeId::of::<E>());
        let audited = E::OWN.audited.iter().map(IdenStatic::as_str).collect();
        let order = E::in_order(Order::Desc).iter().map(|(column, _)| column.as_str()).collect();
        let (append_only, id_type) = (E::OWN.append_only, TypeId::of::<E::Id>());
        let typed = E::OWN.typed.iter().map(|typed| (typed.column.as_str(), (typed.id)())).collect();
        let labels = E::OWN.typed.iter().map(|typed| (typed.column.as_str(), (typed.labels)()));
        let labels = labels.filter(|(_, labels)| !labels.is_empty()).collect();
        self.tables.push(OwnTableInfo {
            entity,
            name,
            secrets,
            order,
            soft_delete,
            owner: E::OWN.owner.map(|column| column.as_str()),
            audited,
            append_only,
            typed,
            labels,
            id_type,
            entity_type,
        });
        Ok(())
    }

    /// Returns the tables, each after those that it refers to.
    #[must_use]
    pub fn tables(&self) -> &[OwnTableInfo] {
        &self.tables
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table.name == name)
    }

    /// Returns whether this very entity is listed: another one of the same table might have other columns.
    pub(crate) fn knows<E: OwnTable>(&self) -> bool {
        self.tables.iter().any(|table| table.entity_type == TypeId::of::<E>())
    }

    /// Returns every table with a tenant key, each after those that it refers to.
    pub(crate) fn tenant_tables(&self) -> Vec<TenantTable> {
        let own = self.tables.iter().map(|table| TenantTable { name: table.name, outlives: false, stays: false });
        TENANT_TABLES.iter().copied().chain(own).collect()
    }

    /// Returns the columns with secrets of all tables.
    pub(crate) fn secret_columns(&self) -> Vec<SecretColumn> {
        let own = self.tables.iter().flat_map(|table| table.secrets.iter().copied());
        SecretColumn::ALL.into_iter().chain(own).collect()
    }
}
