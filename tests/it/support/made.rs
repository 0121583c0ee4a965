//! Migrations for tests, after the two that create the base and the environment marker.

use std::borrow::Cow;

use rylie_migration::{Engine, MIGRATIONS, Migration, Migrations, Step};

pub(crate) type List = &'static [&'static dyn Migration];

pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) up: Vec<Step>,
    pub(crate) down: Vec<Step>,
    pub(crate) verify: Option<&'static str>,
}

impl Made {
    /// Builds a migration that creates a table.
    pub(crate) fn table(name: &'static str, table: &str) -> Self {
        Self {
            name,
            up: vec![Step::Sql(format!("CREATE TABLE IF NOT EXISTS {table} (n integer)").into())],
            down: vec![Step::Sql(format!("DROP TABLE IF EXISTS {table}").into())],
            verify: None,
        }
    }
}

impl Migration for Made {
    fn name(&self) -> &'static str {
        self.name
    }

    fn up(&self, _engine: Engine) -> Vec<Step> {
        self.up.clone()
    }

    fn down(&self, _engine: Engine) -> Vec<Step> {
        self.down.clone()
    }

    fn verify(&self, _engine: Engine) -> Option<Cow<'static, str>> {
        self.verify.map(Cow::Borrowed)
    }
}

/// Builds the list that ends with these. It lives as long as the test process.
pub(crate) fn list(made: impl IntoIterator<Item = Made>) -> List {
    let mut list: Vec<&'static dyn Migration> = MIGRATIONS[..2].to_vec();
    list.extend(made.into_iter().map(|made| Box::leak(Box::new(made)) as &'static dyn Migration));
    list.leak()
}

pub(crate) async fn migrations_of(url: &str, list: List) -> Migrations {
    Migrations::connect(url).await.unwrap().with_list(list)
}
