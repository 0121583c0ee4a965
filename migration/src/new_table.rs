//! The description of a table of a service.

/// The type of a column, on PostgreSQL and on SQLite.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ColumnKind {
    /// `text`, `TEXT`: `String`, ids, sealed columns.
    Text,
    /// `integer`, `INTEGER`: `i32`.
    Integer,
    /// `bigint`, `BIGINT`: `i64`; amounts of money in the smallest unit.
    BigInteger,
    /// `boolean`, `BOOLEAN`: `bool`.
    Boolean,
    /// `double precision`, `REAL`: `f64`.
    Double,
    /// `timestamp(3)`, `TIMESTAMP`: `Timestamp`, in UTC with milliseconds.
    Timestamp,
    /// `jsonb`, `JSON_TEXT`: `Json`; also for arrays.
    Json,
    /// Text of these labels: an enumeration of SeaORM with `rs_type = "String", db_type = "Text"`. Labels have capital
    /// letters, digits and underscores.
    Labels(&'static [&'static str]),
}

#[derive(Clone, Debug)]
pub(crate) struct NewColumn {
    pub(crate) name: &'static str,
    pub(crate) kind: ColumnKind,
    pub(crate) nullable: bool,
    /// The value of rows that do not name one, as SQL.
    pub(crate) default: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    pub(crate) column: &'static str,
    pub(crate) parent: &'static str,
    pub(crate) of: Parent,
}

/// Which rule keeps a reference within the tenant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parent {
    /// A composite key: the parent belongs to the same tenant, always.
    OfTenant,
    /// A user who may leave the tenant while the row stays.
    User,
    /// A user whom the row follows to another tenant.
    FollowedUser,
}

/// The index of tasks that a reference to one needs.
pub(crate) const TASK_KEY: &str = "Task_id_tenantId_key";

/// A table of a service. It always has the key `id` and the tenant key `"tenantId"`.
#[derive(Clone, Debug)]
#[must_use = "a description creates nothing until its migration is deployed"]
pub struct NewTable {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<NewColumn>,
    pub(crate) references: Vec<Reference>,
    pub(crate) unique: Vec<Vec<&'static str>>,
    pub(crate) indexes: Vec<Vec<&'static str>>,
    pub(crate) times: bool,
    pub(crate) soft_delete: bool,
    pub(crate) append_only: bool,
}

impl NewTable {
    /// Describes a table of this name.
    pub fn new(name: &'static str) -> Self {
        let (columns, references, unique, indexes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { name, columns, references, unique, indexes, times: false, soft_delete: false, append_only: false }
    }

    /// Adds a column that is never null.
    pub fn column(mut self, name: &'static str, kind: ColumnKind) -> Self {
        self.columns.push(NewColumn { name, kind, nullable: false, default: None });
        self
    }

    /// Adds a column that may be null.
    pub fn nullable(mut self, name: &'static str, kind: ColumnKind) -> Self {
        self.columns.push(NewColumn { name, kind, nullable: true, default: None });
        self
    }

    /// Adds a column of text that is never null.
    pub fn text(self, name: &'static str) -> Self {
        self.column(name, ColumnKind::Text)
    }

    /// Adds a column that refers to a row of the same tenant: of `Request`, `Task`, this table, or an earlier own
    /// table. The row goes when its parent is deleted.
    pub fn belongs_to(self, column: &'static str, parent: &'static str) -> Self {
        self.text(column).refers(column, parent, Parent::OfTenant)
    }

    /// As [`belongs_to`](Self::belongs_to), where the column may be null.
    pub fn may_belong_to(self, column: &'static str, parent: &'static str) -> Self {
        self.nullable(column, ColumnKind::Text).refers(column, parent, Parent::OfTenant)
    }

    /// Adds a column that names a user. The row stays in its tenant when the user moves to another agency. A user whom
    /// the row names is kept as an id when the user is erased.
    pub fn user(self, column: &'static str) -> Self {
        self.text(column).refers(column, "User", Parent::User)
    }

    /// As [`user`](Self::user), where the column may be null.
    pub fn optional_user(self, column: &'static str) -> Self {
        self.nullable(column, ColumnKind::Text).refers(column, "User", Parent::User)
    }

    /// Adds a column with the user to whom the row belongs. The row follows when the user moves to another agency, and
    /// goes with the user. Such a row has no other parent that may stay.
    pub fn follows_user(self, column: &'static str) -> Self {
        self.text(column).refers(column, "User", Parent::FollowedUser)
    }

    fn refers(mut self, column: &'static str, parent: &'static str, of: Parent) -> Self {
        self.references.push(Reference { column, parent, of });
        self
    }

    /// Makes these columns unique within the tenant.
    pub fn unique(mut self, columns: &[&'static str]) -> Self {
        self.unique.push(columns.to_vec());
        self
    }

    /// Adds an index: the tenant, then these columns. References, lists and soft delete have theirs already.
    pub fn index(mut self, columns: &[&'static str]) -> Self {
        self.indexes.push(columns.to_vec());
        self
    }

    /// Adds `createdAt` and `updatedAt`, and the index of lists by time.
    pub fn times(mut self) -> Self {
        self.times = true;
        self.column("createdAt", ColumnKind::Timestamp).column("updatedAt", ColumnKind::Timestamp)
    }

    /// Adds `deleted` and `deletedAt`, and the index by which old rows are purged.
    pub fn soft_delete(mut self) -> Self {
        self.soft_delete = true;
        self.columns.push(NewColumn {
            name: "deleted",
            kind: ColumnKind::Boolean,
            nullable: false,
            default: Some("false"),
        });
        self.nullable("deletedAt", ColumnKind::Timestamp)
    }

    /// Lets tenant units add rows only. Rows go with their parents and their tenant.
    pub fn append_only(mut self) -> Self {
        self.append_only = true;
        self
    }

    /// Returns whether tenant units add rows only.
    #[must_use]
    pub fn is_append_only(&self) -> bool {
        self.append_only
    }

    /// Returns whether it has soft delete.
    #[must_use]
    pub fn has_soft_delete(&self) -> bool {
        self.soft_delete
    }

    /// Returns the column with the user whom its rows follow.
    #[must_use]
    pub fn followed_user(&self) -> Option<&'static str> {
        let followed = self.references.iter().find(|reference| reference.of == Parent::FollowedUser);
        followed.map(|reference| reference.column)
    }

    /// Returns the table's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the name of the function that reads rows by id.
    pub(crate) fn reader(&self) -> String {
        format!("own_{}_by_id", self.name.to_lowercase())
    }

    pub(crate) fn refers_to_tasks(&self) -> bool {
        self.references.iter().any(|reference| reference.parent == "Task")
    }

    /// Returns the references to users who may leave.
    pub(crate) fn users(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter().filter(|reference| reference.of == Parent::User)
    }

    /// Returns the name of the function that refuses a hidden user.
    pub(crate) fn visible(&self, user: &Reference) -> String {
        format!("own_{}_visible_{}", self.name.to_lowercase(), user.column.to_lowercase())
    }

    pub(crate) fn key(&self, reference: &Reference) -> String {
        let tenant = if reference.of == Parent::User { "" } else { "_tenantId" };
        format!("{}_{}{tenant}_fkey", self.name, reference.column)
    }

    /// Returns every index as its name, whether it is unique, its columns and its condition.
    pub(crate) fn all_indexes(&self) -> Vec<Index> {
        let tenant = |columns: &[&str]| {
            std::iter::once("tenantId").chain(columns.iter().copied()).map(ascending).collect::<Vec<_>>()
        };
        let named = |columns: &[&str], suffix: &str| format!("{}_tenantId_{}_{suffix}", self.name, columns.join("_"));
        let mut all = vec![Index {
            name: format!("{}_id_tenantId_key", self.name),
            unique: true,
            columns: vec![ascending("id"), ascending("tenantId")],
            only_deleted: false,
        }];
        let mut add = |name: String, unique: bool, columns: Vec<(String, bool)>, only_deleted: bool| {
            if all.iter().all(|index| index.name != name) {
                all.push(Index { name, unique, columns, only_deleted });
            }
        };
        let walked = if self.times {
            vec![ascending("tenantId"), ("createdAt".to_owned(), true), ("id".to_owned(), true)]
        } else {
            vec![ascending("tenantId"), ascending("id")]
        };
        add(format!("{}_tenantId_list_idx", self.name), false, walked, false);
        for reference in &self.references {
            match reference.of {
                Parent::OfTenant => {
                    add(named(&[reference.column], "idx"), false, tenant(&[reference.column]), false);
                }
                Parent::User | Parent::FollowedUser => {
                    let columns = vec![ascending(reference.column), ascending("tenantId")];
                    add(format!("{}_{}_tenantId_idx", self.name, reference.column), false, columns, false);
                }
            }
        }
        for columns in &self.unique {
            add(named(columns, "key"), true, tenant(columns), false);
        }
        for columns in &self.indexes {
            add(named(columns, "idx"), false, tenant(columns), false);
        }
        if self.soft_delete {
            add(format!("{}_deletedAt_idx", self.name), false, vec![ascending("deletedAt")], true);
        }
        all
    }
}

/// An index: its columns, each with whether it is descending.
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) unique: bool,
    pub(crate) columns: Vec<(String, bool)>,
    pub(crate) only_deleted: bool,
}

impl Index {
    /// Returns `(columns) WHERE …` as SQL.
    pub(crate) fn on(&self) -> String {
        let columns = self.columns.iter().map(|(name, descending)| {
            let order = if *descending { " DESC" } else { "" };
            format!("\"{name}\"{order}")
        });
        let only = if self.only_deleted { " WHERE deleted" } else { "" };
        format!("({}){only}", columns.collect::<Vec<_>>().join(", "))
    }
}

fn ascending(column: &str) -> (String, bool) {
    (column.to_owned(), false)
}
