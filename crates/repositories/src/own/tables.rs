//! The base of a service's own repositories.

use rylie_audit::Event;
use rylie_crypto::Secret;
use rylie_entities::{OwnTable, Readable, RowId, SealedColumn, TenantId, Timestamp, User, UserId};
use rylie_tenancy::Table;
use sea_orm::IdenStatic;

use crate::limits;
use crate::secrets::{Place, Vault};
use crate::unit_context::UnitContext;
use crate::{Error, Result, SecretColumn};

/// The tables of a unit. A service implements its repositories on it, as the platform's are implemented on the same
/// unit. Every access has the tenant condition and, on PostgreSQL, the unit's role. There is no way to the connection.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
pub struct OwnTables {
    pub(crate) unit: rylie_tenancy::Tx,
    pub(crate) unit_context: UnitContext,
}

impl OwnTables {
    pub(crate) fn new(unit: rylie_tenancy::Tx, unit_context: UnitContext) -> Self {
        Self { unit, unit_context }
    }

    /// Begins a call on the table of an entity. The store must know it: otherwise the call fails with
    /// [`Error::Invalid`].
    pub fn of<E: OwnTable>(&self) -> Table<'_, E> {
        Table::new(&self.unit, self.unit_context.own.knows::<E>())
    }

    /// Returns the row with this id, of an own table or of the platform. Fails with [`Error::NotFound`] if it is out of
    /// reach or soft-deleted. Call it for a parent that a user names: a key alone does not check the user's reach. One
    /// statement.
    pub async fn require<R: Readable>(&self, id: &(impl ToString + Sync)) -> Result<R::Model> {
        self.unit.present::<R>(id).await?.ok_or(Error::NotFound { entity: R::TABLE })
    }

    /// Returns the user in whose name a unit works: the named one, or else the signed-in user. Fails with
    /// [`Error::NotFound`] if the user is out of reach, and with [`Error::Forbidden`] for a super admin other than the
    /// caller. Fails with [`Error::Invalid`] if a unit across tenants names none. One statement.
    pub async fn owner(&self, named: Option<&UserId>) -> Result<User> {
        self.unit.owner(named).await
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.unit.now()
    }

    /// Generates a key. It sorts after earlier ones.
    #[must_use]
    pub fn new_id<I: RowId>(&self) -> I {
        I::generated(self.unit.env())
    }

    /// Returns the signed-in user; `None` in a unit across tenants.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.unit.scope().map(|scope| scope.user().id())
    }

    /// Returns the unit's tenant; `None` in a unit across tenants.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.unit.scope().map(rylie_tenancy::TenantScope::tenant)
    }

    /// Fails with [`Error::Forbidden`] in a unit that reaches only its user's own rows. The attempt is recorded.
    pub fn administrators_only(&self, action: &'static str) -> Result<()> {
        self.unit.administrators_only(action)
    }

    /// Records an event. It commits with the unit. Fails with [`Error::Invalid`] as
    /// [`AuditRepository::record`](crate::AuditRepository::record) does.
    pub async fn record(&self, event: Event) -> Result<()> {
        self.unit.record(event).await
    }

    /// Seals a secret for a column of one row. It opens nowhere else. Fails with [`Error::NoKeyring`] without a
    /// keyring. Fails with [`Error::Invalid`] for a secret that is empty or has more than 16,384 bytes, and with
    /// [`Error::Internal`] for a column that is no `SealedColumn`.
    pub fn seal<E: OwnTable>(&self, column: E::Column, id: &E::Id, secret: &Secret<String>) -> Result<SealedColumn> {
        limits::secret(secret.expose())?;
        let (column, id) = (secret_column::<E>(column)?, id.to_string());
        Ok(self.vault(column)?.seal(secret, Place { column, row: &id, owner: &id })?.into())
    }

    /// Opens a secret of one row.
    ///
    /// Fails with [`Error::NoKeyring`] without a keyring, and with [`Error::Secret`] if the value does not open, as one
    /// of another row or column. Fails with [`Error::Internal`] for a column that is no `SealedColumn`.
    pub fn open<E: OwnTable>(&self, column: E::Column, id: &E::Id, sealed: &SealedColumn) -> Result<Secret<String>> {
        let (column, id) = (secret_column::<E>(column)?, id.to_string());
        self.vault(column)?.open(sealed.stored(), Place { column, row: &id, owner: &id })
    }

    pub(crate) fn vault(&self, column: SecretColumn) -> Result<Vault<'_>> {
        let keys = self.unit_context.keys.as_deref().ok_or(Error::NoKeyring)?;
        Ok(Vault::of(keys, column, self.unit_context.shared_with_old_service))
    }
}

fn secret_column<E: OwnTable>(column: E::Column) -> Result<SecretColumn> {
    if E::OWN.sealed.iter().any(|sealed| sealed.as_str() == column.as_str()) {
        return Ok(SecretColumn::own(E::TABLE, column.as_str()));
    }
    Err(Error::Internal { what: "the column", reason: "its type must be `SealedColumn` to hold a secret" })
}
