//! The common part of the connections to Google's services: everything except the names of two columns.

/// Defines the repository of the connections to one service: inputs, trait and implementation.
macro_rules! google_connections {
    (
        $service:literal, table $table:literal, entity $entity:ident as $row:ident, id $id:ident,
        $repository:ident, function $function:literal, secrets $access:ident $refresh:ident, $new:ident { $(#[$first_doc:meta])* $first:ident, $(#[$second_doc:meta])* $second:ident }
    ) => {
        use async_trait::async_trait;
        use chrono::{DateTime, Utc};
        use rylie_audit::{Action, Event};
        use rylie_crypto::Secret;
        use rylie_entities::$entity::{ActiveModel, Column, Entity};
        use rylie_entities::{$id, $row, UserId};
        use rylie_tenancy::{SavedRow, WritingFunction};
        use sea_orm::ActiveValue::Set;
        use sea_orm::ColumnTrait;
        use serde::Deserialize;

        use crate::audit::AuditRepository;
        use crate::tx::Tx;
        use crate::secrets::vault::{OpenedTokens, Place, SecretColumn};
        use crate::{Error, Result, TenantScope, limits};

        #[doc = concat!("Connections to ", $service, ", one a user. Their tokens are sealed; reading a row does not open them.")]
        ///
        /// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
        #[cfg_attr(feature = "mock", mockall::automock)]
        #[async_trait]
        pub trait $repository: Send + Sync {
            /// Returns the user's connection, or `None` if there is none within reach.
            async fn find(&self, user: &UserId) -> Result<Option<$row>>;

            /// Saves the user's connection and replaces an existing one. Recorded.
            ///
            /// Fails with [`Error::NotFound`] if the user is not within reach, and with [`Error::Forbidden`] for a
            /// super admin other than the caller within a tenant. Fails with [`Error::NoKeyring`] if the store has no
            /// keyring, and with [`Error::Secret`] if the keys do not fit the column's policy.
            ///
            /// Fails with [`Error::Invalid`] for a token that is empty or has more than 16,384 bytes, and for a name or
            /// id beyond 4,096 bytes. In a platform unit it also does without a user. Fails with [`Error::Contention`]
            /// if another unit saves the user's first connection concurrently.
            async fn save(&self, new: $new) -> Result<$row>;

            /// Opens the tokens of the user's connection, in any stored form; `None` without a connection.
            ///
            /// Fails with [`Error::NotFound`] and [`Error::Forbidden`] as [`save`](Self::save) does. If there is a
            /// connection, fails with [`Error::NoKeyring`] without a keyring, and with [`Error::Secret`] if a token
            /// does not open.
            async fn open_tokens(&self, user: &UserId) -> Result<Option<OpenedTokens>>;

            /// Opens the tokens of a row that `find` or `save` returned, in any stored form. Sends no statement for a row
            /// of the caller, and in a platform unit.
            ///
            /// Fails with [`Error::NotFound`] and [`Error::Forbidden`] as [`save`](Self::save) does, and with
            /// [`Error::NotFound`] for a row of another tenant. Fails with [`Error::NoKeyring`] without a keyring, and
            /// with [`Error::Secret`] if a token does not open.
            async fn open(&self, connection: &$row) -> Result<OpenedTokens>;

            /// Removes the user's connection. Recorded. Fails with [`Error::NotFound`] if there is none or the user is
            /// not within reach. Fails with [`Error::Forbidden`] for a super admin other than the caller within a
            /// tenant.
            async fn remove(&self, user: &UserId) -> Result<()>;
        }

        /// A connection to save. JSON cannot set the user, and unknown fields are refused.
        #[derive(Clone, Debug, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $new {
            /// The owning user; the signed-in user by default.
            #[serde(skip)]
            pub user: Option<UserId>,
            /// The access token for Google's API.
            pub access_token: Secret<String>,
            /// The refresh token.
            pub refresh_token: Option<Secret<String>>,
            /// When the access token expires.
            #[serde(rename = "expiresAt")]
            pub expires: Option<DateTime<Utc>>,
            $(#[$first_doc])*
            pub $first: Option<String>,
            $(#[$second_doc])*
            pub $second: Option<String>,
        }

        impl $new {
            /// Creates a connection of the signed-in user with an access token only.
            #[must_use]
            pub fn new(access_token: Secret<String>) -> Self {
                Self { user: None, access_token, refresh_token: None, expires: None, $first: None, $second: None }
            }
        }

        const TABLE: &str = $table;

        #[async_trait]
        impl $repository for Tx {
            async fn find(&self, user: &UserId) -> Result<Option<$row>> {
                self.rows::<Entity>().filter(Column::UserId.eq(user)).at_once().one().await
            }

            async fn save(&self, new: $new) -> Result<$row> {
                let of = (Column::UserId, Column::Id);
                let (owner, before) = self.owner_and_key::<Entity>(new.user.as_ref(), of.0, of.1).await?;
                let saved = |id: &$id| Event::new(Action::ConnectionSaved).on(id);
                // Two statements, because a sealed value is bound to the id of the row that stores it.
                if let Some(id) = before.as_deref().map(str::parse::<$id>).transpose()? {
                    let row = sealed(self, &new, &id, &owner.id)?;
                    let updated = self.update_recorded::<Entity>(row, Column::Id.eq(&id), saved(&id)).await?.pop();
                    return updated.ok_or(Error::NotFound { entity: TABLE });
                }
                let first = |id: &$id| -> Result<ActiveModel> {
                    Ok(ActiveModel {
                        id: Set(id.clone()),
                        tenant_id: Set(owner.tenant_id.clone()),
                        user_id: Set(owner.id.clone()),
                        created_at: Set(self.now()),
                        ..sealed(self, &new, id, &owner.id)?
                    })
                };
                let id = $id::of(&owner.id);
                let added = self.insert_recorded_unless_taken::<Entity>(Column::Id, first(&id)?, saved(&id)).await;
                if let Some(row) = added.map_err(Error::conflict_is_contention)? {
                    return Ok(row);
                }
                // A concurrent unit added it, which is a conflict of the user then. Or a foreign row has the id.
                let id = $id::generate(self.env());
                let added = self.insert_recorded::<Entity>(first(&id)?, saved(&id)).await;
                added.map_err(Error::conflict_is_contention)
            }

            async fn open_tokens(&self, user: &UserId) -> Result<Option<OpenedTokens>> {
                let row = self.owned_row::<Entity>(Some(user), Column::UserId).await?;
                row.map(|row| opened(self, &row)).transpose()
            }

            async fn open(&self, connection: &$row) -> Result<OpenedTokens> {
                if self.scope().is_some_and(|scope| *scope.tenant() != connection.tenant_id) {
                    return Err(Error::NotFound { entity: TABLE });
                }
                self.check_owner(&connection.user_id).await?;
                opened(self, connection)
            }

            async fn remove(&self, user: &UserId) -> Result<()> {
                let row = self.owned_row::<Entity>(Some(user), Column::UserId).await?;
                let row = row.ok_or(Error::NotFound { entity: TABLE })?;
                self.delete_one::<Entity>(Column::Id.eq(&row.id), TABLE).await?;
                self.record(Event::new(Action::ConnectionRemoved).on(&row.id)).await
            }
        }

        /// Returns the columns that a save sets, sealed for the row with this id.
        fn sealed(unit: &Tx, new: &$new, id: &$id, owner: &UserId) -> Result<ActiveModel> {
            let place = |column| Place::new(column, id.as_str(), owner);
            let named = |text: &Option<String>| {
                text.clone().map(|text| limits::line("a name or id of the connection", text)).transpose()
            };
            Ok(ActiveModel {
                access_token: Set(unit.seal(&new.access_token, place(SecretColumn::$access))?),
                refresh_token: Set(unit.seal_optional(new.refresh_token.as_ref(), place(SecretColumn::$refresh))?),
                expires_at: Set(new.expires.map(Into::into)),
                $first: Set(named(&new.$first)?),
                $second: Set(named(&new.$second)?),
                updated_at: Set(unit.now()),
                ..Default::default()
            })
        }

        fn opened(unit: &Tx, row: &$row) -> Result<OpenedTokens> {
            let place = |column| Place::new(column, row.id.as_str(), &row.user_id);
            let access = unit.open(&row.access_token, place(SecretColumn::$access))?;
            let refresh = unit.open_optional(row.refresh_token.as_ref(), place(SecretColumn::$refresh))?;
            Ok(OpenedTokens { access, refresh })
        }

        /// The function of the migration `m20261128_000083`.
        const SAVE_AT_ONCE: &str = $function;

        /// Saves the user's connection in a separate unit, and commits. On PostgreSQL in one round trip.
        pub(crate) async fn save_and_commit(unit: Tx, new: $new) -> Result<$row> {
            let scope = unit.scope().filter(|_| unit.writes_alone(WritingFunction::SaveConnection)).cloned();
            let saved = match scope {
                Some(scope) => save_alone(&unit, &scope, &new).await?,
                None => $repository::save(&unit, new).await?,
            };
            unit.into_inner().commit().await?;
            Ok(saved)
        }

        async fn save_alone(unit: &Tx, scope: &TenantScope, new: &$new) -> Result<$row> {
            let owner = unit.user_or_own(new.user.as_ref())?;
            let mut id = $id::of(&owner);
            for _ in 0..ATTEMPTS {
                let row = sealed(unit, new, &id, &owner)?;
                let event = Event::new(Action::ConnectionSaved).on(&id);
                let saving = unit.save_row_of::<Entity>(SAVE_AT_ONCE, scope, &owner, (id.as_str(), &row), &event);
                match saving.await? {
                    SavedRow::Saved(row) => return Ok(row),
                    SavedRow::HasOtherId(row) => id = row.id,
                    SavedRow::IdIsTaken => id = $id::generate(unit.env()),
                }
            }
            Err(Error::Contention)
        }

        /// How often a row is sealed: for the derived id, for the id of the user's row, and once more because that row
        /// may be replaced meanwhile.
        const ATTEMPTS: usize = 3;
    };
}
pub(crate) use google_connections;
