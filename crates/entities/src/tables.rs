//! The entities as plain data, to compare them with a schema.

use sea_orm::sea_query::{ColumnType, TableRef};
use sea_orm::{ColumnTrait, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn, RelationDef, RelationTrait};

/// A table as its entity declares it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntityTable {
    /// Its name.
    pub name: String,
    /// Columns in the order of the entity.
    pub columns: Vec<EntityColumn>,
    /// Names of the primary key's columns.
    pub key: Vec<String>,
    /// Its foreign keys, in the order of the entity.
    pub references: Vec<EntityReference>,
}

/// A foreign key as its entity declares it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntityReference {
    /// Names of the columns that refer to the other table.
    pub columns: Vec<String>,
    /// Name of the other table.
    pub table: String,
}

/// A column as its entity declares it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntityColumn {
    /// Its name.
    pub name: String,
    /// Its type on PostgreSQL in the spelling of `format_type`. The name of an enum is quoted.
    pub kind: String,
    /// Its type on SQLite.
    pub sqlite_kind: String,
    /// Whether it may be null.
    pub nullable: bool,
}

/// Returns the tables of all entities, sorted by name.
#[must_use]
pub fn tables() -> Vec<EntityTable> {
    vec![
        table::<crate::account::Entity>(),
        table::<crate::agency::Entity>(),
        table::<crate::audit_log::Entity>(),
        table::<crate::ga4_connection::Entity>(),
        table::<crate::idempotency_key::Entity>(),
        table::<crate::monthly_usage::Entity>(),
        table::<crate::request::Entity>(),
        table::<crate::seoworks_task_mapping::Entity>(),
        table::<crate::search_console_connection::Entity>(),
        table::<crate::session::Entity>(),
        table::<crate::system_settings::Entity>(),
        table::<crate::task::Entity>(),
        table::<crate::usage_event::Entity>(),
        table::<crate::user::Entity>(),
        table::<crate::user_preferences::Entity>(),
        table::<crate::verification_token::Entity>(),
    ]
}

/// Returns the table of an entity.
#[must_use]
pub fn table<E: EntityTrait + Default>() -> EntityTable {
    EntityTable {
        name: E::default().table_name().to_owned(),
        columns: E::Column::iter().map(|column| column_of(&column)).collect(),
        key: E::PrimaryKey::iter().map(|key| key.into_column().as_str().to_owned()).collect(),
        references: E::Relation::iter().filter_map(|relation| reference(&relation.def())).collect(),
    }
}

/// Returns the foreign key of a relation; `None` if the other table has it.
fn reference(relation: &RelationDef) -> Option<EntityReference> {
    match &relation.to_tbl {
        TableRef::Table(name, _) if !relation.is_owner => Some(EntityReference {
            columns: relation.from_col.iter().map(ToString::to_string).collect(),
            table: name.1.to_string(),
        }),
        _ => None,
    }
}

fn column_of<C: ColumnTrait>(column: &C) -> EntityColumn {
    let definition = column.def();
    let (kind, sqlite_kind) = kinds(definition.get_column_type());
    EntityColumn { name: column.as_str().to_owned(), kind, sqlite_kind, nullable: definition.is_null() }
}

/// Returns the column's types in the schema. The driver decodes `JSON_TEXT` and `TIMESTAMP` on SQLite.
fn kinds(kind: &ColumnType) -> (String, String) {
    let (postgres, sqlite) = match kind {
        ColumnType::Integer => ("integer", "INTEGER"),
        ColumnType::BigInteger => ("bigint", "BIGINT"),
        ColumnType::Boolean => ("boolean", "BOOLEAN"),
        ColumnType::Double => ("double precision", "REAL"),
        ColumnType::JsonBinary => ("jsonb", "JSON_TEXT"),
        ColumnType::Timestamp => ("timestamp(3) without time zone", "TIMESTAMP"),
        ColumnType::Enum { name, .. } => return (format!("\"{name}\""), "TEXT".to_owned()),
        // An unknown type is reported as `text`. The comparison with the schema then shows a difference.
        _ => ("text", "TEXT"),
    };
    (postgres.to_owned(), sqlite.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entity missing from the list would not be compared with the schema.
    #[test]
    fn every_entity_is_in_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = paths.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
        let derive = concat!("DeriveEntity", "Model,");
        let entities = files.filter(|source| source.contains(derive)).count();

        assert_eq!(tables().len(), entities);
    }

    #[test]
    fn a_column_has_its_type_on_each_engine() {
        let task = tables().into_iter().find(|table| table.name == "Task").unwrap();
        let column = |name: &str| task.columns.iter().find(|column| column.name == name).unwrap().clone();

        assert_eq!((column("status").kind.as_str(), column("status").sqlite_kind.as_str()), ("\"TaskStatus\"", "TEXT"));
        assert_eq!(
            (column("dueDate").kind.as_str(), column("dueDate").nullable),
            ("timestamp(3) without time zone", true)
        );
        assert_eq!(task.key, ["id"]);
        let parents: Vec<_> = task.references.iter().map(|reference| reference.table.as_str()).collect();
        assert!(parents.contains(&"Request"), "{parents:?}");
    }
}
