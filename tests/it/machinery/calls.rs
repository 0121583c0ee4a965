//! Every call of every repository, with arguments that make it succeed.

mod identity;
mod operations;
mod platform;
mod rows;
mod tenant;
mod traits;

use std::pin::Pin;

use rylie_db::prelude::*;
use rylie_db::repositories::{Error, OperationsUnit};

pub(crate) use self::rows::Rows;
pub(crate) use self::traits::methods_of_every_repository;

/// A call in an open unit.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// One method of a repository.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) repository: &'static str,
    pub(crate) method: &'static str,
    pub(crate) kind: Kind,
    pub(crate) run: for<'a> fn(&'a Unit, &'a Rows) -> Running<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Tenant,
    Identity,
    Platform,
    Operations,
}

/// An open unit of any kind.
pub(crate) enum Unit {
    Tenant(Box<dyn TenantUnit>),
    Identity(Box<dyn IdentityUnit>),
    Platform(Box<dyn PlatformUnit>),
    Operations(Box<dyn OperationsUnit>),
}

/// Lists calls in units of one kind.
macro_rules! listed {
    ($kind:ident by $unit:ident: $($repository:ident { $($method:ident: |$open:ident, $rows:ident| $call:expr;)+ })+) => {
        pub(super) fn calls() -> Vec<super::Call> {
            vec![$($(super::Call {
                repository: stringify!($repository),
                method: stringify!($method),
                kind: super::Kind::$kind,
                run: |$open, $rows| Box::pin(async move {
                    let _ = $rows;
                    let $open = $open.$unit();
                    $call.await.map(drop)
                }),
            },)+)+]
        }
    };
}
use listed;

/// Returns every call.
pub(crate) fn calls() -> Vec<Call> {
    [tenant::calls(), identity::calls(), platform::calls(), operations::calls()].concat()
}

impl Call {
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.repository, self.method)
    }
}

impl Kind {
    pub(crate) async fn open(self, store: &dyn Store, rows: &Rows) -> Result<Unit, Error> {
        Ok(match self {
            Self::Tenant => Unit::Tenant(store.tenant(&rows.scope).await?),
            Self::Identity => Unit::Identity(store.identity().await?),
            Self::Platform => Unit::Platform(store.platform(Grant::job("test", "to test")?).await?),
            Self::Operations => Unit::Operations(store.operations().await?),
        })
    }
}

macro_rules! units {
    ($($variant:ident $name:ident $unit:ident),+) => {
        impl Unit {
            $(pub(crate) fn $name(&self) -> &dyn $unit {
                let Self::$variant(unit) = self else { panic!("a unit of another kind") };
                &**unit
            })+

            pub(crate) async fn commit(self) -> Result<(), Error> {
                match self {
                    $(Self::$variant(unit) => unit.commit().await,)+
                }
            }
        }
    };
}
units!(Tenant tenant TenantUnit, Identity identity IdentityUnit, Platform platform PlatformUnit, Operations operations OperationsUnit);
